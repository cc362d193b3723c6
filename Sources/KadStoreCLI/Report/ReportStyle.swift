import KadStore
import Kademlia
import Multiformats

/// How the page looks, and what it may do.
enum ReportStyle {
    /// Nothing but this very style sheet: nothing is loaded, no script runs, no form is sent.
    static var policy: String {
        // The network's target of a text is its SHA-256.
        let digest = Network.libp2p.target(hashing: sheet.source.utf8).bytes()
        let hash = Base64.encode(digest) ?? ""
        return "default-src 'none'; style-src 'sha256-\(hash)='; base-uri 'none'; form-action 'none'"
    }

    /// Contrast of text is 4.5 or more in both schemes. Color never stands alone: shapes, patterns and labels say the same.
    static let sheet: HTML = """
        :root{color-scheme:light dark;--bg:#fdfdfb;--ink:#1b1d20;--soft:#565c64;--line:#d5d8db;--tint:#eef2f7;
        --accent:#1b5c9e;--bad:#b02318;--warn:#7a4d00}
        @media screen and (prefers-color-scheme:dark){:root{--bg:#131518;--ink:#e9eaeb;--soft:#a5acb5;--line:#363c43;
        --tint:#1c2229;--accent:#7fb6f2;--bad:#ff948a;--warn:#f0c274}}
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
        body{margin:0 auto;max-width:76rem;padding:1.5rem clamp(1rem,4vw,3rem) 3rem;background:var(--bg);color:var(--ink);
        font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:break-word;
        font-variant-numeric:tabular-nums}
        header p,figcaption,h1{overflow-wrap:anywhere}
        code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,monospace;font-size:.92em}
        h1,h2,h3{line-height:1.2;font-weight:600;text-wrap:balance}
        h1{font-size:1.9rem;margin:0 0 .4rem;letter-spacing:-.01em}
        h2{font-size:1.3rem;margin:0 0 .3rem}
        h3{font-size:1rem;margin:0}
        p{margin:.2rem 0 .6rem;max-width:46rem}
        a{color:var(--accent)}
        :focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:2px}
        .skip{position:absolute;left:-100vw}
        .skip:focus{left:1rem;top:.5rem;background:var(--bg);padding:.5rem 1rem;z-index:1}
        header p,.lead,footer{color:var(--soft)}
        nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.8rem 0 0;padding:0}
        nav a{display:inline-block;padding:.25rem 0}
        section{border-top:1px solid var(--line);margin-top:2.2rem;padding-top:1.4rem}
        .warning{border-left:4px solid var(--warn);padding:.4rem .8rem;background:var(--tint)}
        .grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr));gap:1.8rem 2.4rem;
        align-items:start}
        .wide{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25rem),1fr));gap:1.8rem 2.4rem;
        align-items:start}
        figure{margin:1rem 0 0;min-width:0}
        @media (min-width:45rem){.grid figcaption p{min-height:2.8em}}
        .narrow{max-width:34rem}
        figure>svg:not(.fluid){max-width:30rem}
        figcaption p{font-size:.9rem;color:var(--soft);margin:.1rem 0 .3rem}
        svg{display:block;width:100%;height:auto;overflow:visible}
        svg text{font:10.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft);
        font-variant-numeric:tabular-nums}
        svg .key{fill:var(--ink);font-weight:600;paint-order:stroke;stroke:var(--bg);stroke-width:3px}
        .bar,.c-fresh{fill:var(--accent)}
        .bad{fill:var(--bad)}
        .fluid{height:1.25rem}
        .halo{stroke:var(--bg);stroke-width:3;fill:none}
        .axis{stroke:var(--line);fill:none}
        .mark{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 2;fill:none}
        .first{stroke:var(--ink);stroke-width:1.2;fill:none}
        .c-answered{fill:url(#hatch);stroke:var(--accent)}
        .c-unverified{fill:none;stroke:var(--soft)}
        .c-failing{fill:none;stroke:var(--bad);stroke-width:1.8}
        .c-free{fill:var(--soft)}
        .c-waiting{fill:none;stroke:var(--soft);stroke-width:1.5}
        .hatch{stroke:var(--accent);stroke-width:1.6}
        .cross{stroke:var(--bad);stroke-width:1.4}
        .p-failing{fill:url(#cross);stroke:var(--bad)}
        .hover{fill:transparent}
        .hover:hover{fill:var(--ink);fill-opacity:.08}
        .dot{fill:var(--accent)}
        .diamond{fill:var(--bg);stroke:var(--ink);stroke-width:1.2}
        .limit{stroke:var(--bad);stroke-dasharray:3 3}
        .defs{position:absolute;width:0;height:0}
        .legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:.5rem 0 0;padding:0;font-size:.85rem;
        color:var(--soft)}
        .legend li{display:flex;align-items:center;gap:.4rem}
        .legend svg{width:12px;height:12px;flex:none}
        dl.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.2rem,1fr));gap:1rem 1.4rem;margin:1rem 0}
        dl.facts div{border-top:2px solid var(--line);padding-top:.3rem}
        dl.facts .lead-fact{border-top-color:var(--accent)}
        dt{font-size:.82rem;color:var(--soft)}
        dd{margin:0;font-size:1.32rem;line-height:1.25}
        dd small{display:block;font-size:.8rem;color:var(--soft)}
        details{margin-top:.4rem;font-size:.88rem}
        summary{cursor:pointer;color:var(--accent);padding:.2rem 0;width:max-content;max-width:100%}
        .scroll{overflow-x:auto;max-width:100%}
        .tall{max-height:26rem;overflow-y:auto}
        table{border-collapse:collapse;font-size:.88rem;min-width:min(100%,18rem)}
        caption{text-align:left;color:var(--soft);padding:.2rem 0;font-size:.88rem}
        th,td{padding:.22rem .9rem .22rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:baseline;
        font-weight:400}
        tbody th{white-space:nowrap}
        table.ranked tbody th{white-space:normal}
        thead th{color:var(--soft);vertical-align:bottom}
        .r{text-align:right;white-space:nowrap}
        thead .r{white-space:normal}
        .n{white-space:nowrap}
        table.ranked{width:100%;table-layout:auto}
        table.ranked td.share{width:30%;min-width:3.2rem;padding-right:0;vertical-align:middle}
        table.ranked svg{height:.62rem;width:100%}
        table.ranked tbody th{min-width:9.5rem;overflow-wrap:anywhere}
        footer{border-top:1px solid var(--line);margin-top:2.2rem;padding-top:.8rem;font-size:.85rem}
        @media (max-width:30rem){h1{font-size:1.5rem}dl.facts{grid-template-columns:repeat(2,minmax(0,1fr))}}
        @media print{body{max-width:none;padding:0;font-size:10pt}nav,.skip,summary{display:none}
        section{break-inside:auto}figure,table.ranked,dl.facts{break-inside:avoid}.tall{max-height:none}
        h2,h3{break-after:avoid}details:not([open])::details-content{content-visibility:visible;block-size:auto}}
        """
}
