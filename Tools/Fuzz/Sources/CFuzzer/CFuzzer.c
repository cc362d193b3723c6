// The library is in the toolchain: this module declares what of it is called.
#include "CFuzzer.h"
