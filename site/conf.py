"""Sphinx's settings. `build.py` lays out the pages in `build/pages` and runs Sphinx there."""

import re
import sys
from html import escape, unescape
from pathlib import Path

from docutils import nodes

sys.path.insert(0, str(Path(__file__).parent))
import address  # noqa: E402
import words  # noqa: E402

project = "dcgan_keras"
author = "the dcgan_keras authors"
copyright = "the dcgan_keras authors, Apache-2.0"
html_title = "dcgan_keras"

extensions = ["myst_nb", "sphinx_copybutton", "sphinx.ext.mathjax"]
exclude_patterns = ["**/.ipynb_checkpoints"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebooks come with their outputs
nb_merge_streams = True
suppress_warnings = ["myst.mathjax"]  # it adds to the options below

# One file, which draws its formulas as SVG and asks for nothing else.
mathjax_path = "mathjax/tex-svg.js"
mathjax3_config = {
    "svg": {"fontCache": "local"},
    "options": {"enableMenu": False},
}

html_theme = "furo"
html_favicon = "static/icon.svg"
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_additional_pages = {"search": "find.html"}  # Pagefind's page in the place of Sphinx's
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/explore.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0067a3", "color-brand-content": "#0067a3"},
    "dark_css_variables": {"color-brand-primary": "#6cb8e8", "color-brand-content": "#6cb8e8"},
}
copybutton_selector = "div.highlight pre"
copybutton_exclude = ".linenos, .gp"

html_baseurl = address.of_the_site() + "/"

_CHINESE = re.compile("[\u4e00-\u9fff]{3,}")


def findable(html: str) -> str:
    """Lets Pagefind find each part of a Chinese term.

    Chinese has no spaces, and in an English page Pagefind takes a run of characters for one word, of which it finds
    only the beginning. The run's other endings go into an attribute that is indexed too, for 转置卷积 they are 置卷积
    and 卷积. `static/find.js` takes them out of what the search shows.
    """

    def with_endings(run):
        endings = " ".join(run[0][start:] for start in range(1, len(run[0]) - 1))
        return f'<span lang="zh" data-endings="{endings}" data-pagefind-index-attrs="data-endings">{run[0]}</span>'

    # A term counts most where it is introduced: in bold, the Chinese one after it.
    html = re.sub(
        r"<strong>([^<]+)</strong>(?= \([\u4e00-\u9fff])", r'<strong data-pagefind-weight="10">\1</strong>', html
    )
    texts = re.split(r"(<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>)", html, flags=re.DOTALL)
    texts[::2] = [_CHINESE.sub(with_endings, text) for text in texts[::2]]
    # What is explained comes before what is only computed.
    return "".join(texts).replace('<div class="highlight', '<div data-pagefind-weight="0.1" class="highlight')


def with_ids_on_headings(html: str) -> str:
    """Moves the id of a section to its heading, from which Pagefind takes the sections that it finds."""
    section = r'<section([^>]*?) id="([^"]+)"([^>]*)>((?:\s|<span id="[^"]*"></span>)*)<(h[1-6])>'
    return re.sub(section, r'<section\1\3>\4<\5 id="\2">', html)


def captioned(html: str) -> str:
    """Marks the paragraphs that are slanted as a whole: Chinese is not slanted, and shows captions in another way."""
    return re.sub(r"<p>(<em>(?:(?!</?p>|</em>).)*</em></p>)", r'<p class="said">\1', html, flags=re.DOTALL)


def described(doctree) -> str:
    """The first sentences of a page, for who finds its address elsewhere."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) > 60 and not any(paragraph.findall(nodes.raw)):
            return text if len(text) <= 200 else text[:200].rsplit(" ", 1)[0] + " ..."
    return ""


def card(title: str, description: str, url: str) -> str:
    """What a page looks like where its address is sent to somebody."""
    picture = f"{html_baseurl}_static/card.png"
    said = {"og:type": "website", "og:site_name": "dcgan_keras", "og:title": title, "og:url": url, "og:image": picture}
    tags = [f'<meta property="{name}" content="{escape(value)}">' for name, value in said.items()]
    if description:
        tags += [
            f'<meta {key} content="{escape(description)}">'
            for key in ('name="description"', 'property="og:description"')
        ]
    return "\n".join([*tags, '<meta name="twitter:card" content="summary_large_image">'])


def setup(app):
    """Leaves out Sphinx's own search index, and prepares each page for Pagefind's."""

    def on_page(app, pagename, templatename, context, doctree):
        chinese = app.config.language == "zh_CN"
        if "body" in context:
            context["body"] = with_ids_on_headings(captioned(context["body"]) if chinese else findable(context["body"]))
            if pagename == "sessions":  # it names every subject, and explains none
                context["body"] = context["body"].replace("<section", '<section data-pagefind-weight="0.1"', 1)
        lesson = re.match(r"notebooks/0?(\d+b?)_", pagename)
        if lesson:  # in tabs, bookmarks and among what the search finds
            context["title"] = f"{lesson[1]}. {context['title']}"
        tags = re.sub(r'<meta[^>]*name="viewport"[^>]*>', "", context.get("metatags", ""))  # the theme has one
        written = re.search(r'<meta content="([^"]*)" name="description"[^>]*>', tags)
        tags = tags.replace(written[0], "") if written else tags
        description = unescape(written[1]) if written else described(doctree) if doctree else ""
        title = re.sub("<[^>]*>", "", context.get("title", html_title))
        places = {"en": f"{html_baseurl}{pagename}.html", "zh-CN": f"{html_baseurl}zh/{pagename}.html"}
        places["x-default"] = places["en"]
        tags += "".join(f'<link rel="alternate" hreflang="{code}" href="{url}">' for code, url in places.items())
        here = places["zh-CN" if chinese else "en"]
        context["metatags"] = tags + card(title, description, here)
        context["pageurl"] = here
        root = "../" * pagename.count("/")
        context["other_language"] = f"{root}{'../' if chinese else 'zh/'}{pagename}.html"
        context["chinese"], context["word"] = chinese, words.of(app.config.language)
        tree = context.get("furo_navigation_tree", "")  # its captions are headings without a level
        context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')

    def on_start(app):
        app.builder.search = False

    app.connect("html-page-context", on_page, priority=900)  # after the theme
    app.connect("builder-inited", on_start)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
