"""The built site in a browser: every page, on a phone and on a desk, light and dark, under a sub-path; the search.

Skipped where `make site` has not built it, or Playwright or Chromium is missing. Nothing here needs a network.
"""

import base64
import contextlib
import io
import json
import re
import urllib.parse
import zipfile

import numpy as np
import pytest
from conftest import ADDRESS, PHONE, ROOT, Quiet, serving
from PIL import Image

SITE = ROOT / "build" / "site"
BUILT = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if "pagefind" not in path.parts)
CHINESE = [name for name in BUILT if name.startswith("zh/")]
# Of the Chinese pages a few are opened in the browser: they are the English ones with other words.
PAGES = [name for name in BUILT if name not in CHINESE] + ["zh/index.html", "zh/notebooks/04_bce_loss.html"] * bool(
    CHINESE
)
LESSONS = [name for name in PAGES if re.match(r"notebooks/\d", name)]
DECKS = [name for name in PAGES if name.startswith("slides/")]
pytestmark = pytest.mark.skipif(not PAGES, reason="The site is not built: make site.")
WITH_CODE = ("index.html", "commands.html", "notebooks/06_train_step.html", "notebooks/09_evaluation.html")
WIDTHS = {"phone": (390, 844), "desk": (1280, 900)}


@pytest.fixture(scope="module")
def address():
    """The site under a sub-path, as GitHub Pages serves it."""

    class UnderASubPath(Quiet):
        def translate_path(self, path):
            inside = urllib.parse.urlsplit(path).path.removeprefix("/dcgan-keras/")
            return super().translate_path("/" + inside if inside != path else "/nowhere")

    with serving(SITE, UnderASubPath) as root:
        yield f"{root}/dcgan-keras/"


@pytest.fixture
def tab(browser, address):
    """A tab that notes what goes wrong in it: `tab.problems`."""
    tab = browser.new_page(base_url=address)
    tab.problems = []

    def on_request(request):
        if not request.url.startswith((address, "data:", "blob:")):
            tab.problems.append(f"asks for {request.url}")

    def on_response(response):
        if response.status >= 400:
            tab.problems.append(f"{response.status}: {response.url}")

    def on_failure(request):
        # A page that is left while it loads gives up what it still waits for: no fault of the page.
        if request.failure != "net::ERR_ABORTED":
            tab.problems.append(f"failed: {request.url}: {request.failure}")

    tab.on("request", on_request)
    tab.on("requestfailed", on_failure)
    tab.on("response", on_response)
    tab.on("pageerror", lambda error: tab.problems.append(f"raised: {error}"))
    tab.on("console", lambda said: tab.problems.append(said.text) if said.type in ("error", "warning") else None)
    yield tab
    tab.close()


LOOK = """async () => {
  await window.MathJax?.startup?.promise;
  const pictures = [...document.images];
  pictures.forEach((each) => (each.loading = "eager"));
  await Promise.all(pictures.map((each) => each.decode().catch(() => {})));
  const text = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const raw = [];
  while (text.nextNode()) {
    const at = text.currentNode.parentElement;
    if (at.closest("script, style, pre, code, mjx-container")) continue;
    const found = /\\\\\\(|\\\\\\[|\\$\\$|\\\\(frac|mathbb|sum|log|mathrm)/.test(text.currentNode.data);
    if (found) raw.push(text.currentNode.data);
  }
  return {
    broken: pictures.filter((each) => !each.naturalWidth).map((each) => each.src),
    silent: pictures.filter((each) => !each.alt.trim()).map((each) => each.src),
    raw,
    formulas: document.querySelectorAll("span.math, div.math").length,
    drawn: document.querySelectorAll(".math mjx-container > svg").length,
    failed: document.querySelectorAll("mjx-merror, [data-mml-node=merror]").length,
    solutions: [...document.querySelectorAll("summary")].filter((each) => each.textContent === "Solution").length,
    open: document.querySelectorAll("details[open]").length,
    links: [...document.querySelectorAll("a[href], link[href]")].map((each) => each.href),
    ids: [...document.querySelectorAll("[id]")].map((each) => each.id),
  };
}"""


def solutions_in(name):
    notebook = json.loads((SITE / name).with_suffix(".ipynb").read_text(encoding="utf-8"))
    return sum("solution" in cell["metadata"].get("tags", []) for cell in notebook["cells"])


@pytest.mark.parametrize("name", PAGES)
def test_page(tab, address, name):
    """Loaded once; then looked at in both widths, light and dark, by a program for accessibility as well."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(name, wait_until="load")
    seen = tab.evaluate(LOOK)
    assert not (seen["broken"] or seen["silent"] or seen["raw"] or seen["failed"]), seen
    assert seen["drawn"] == seen["formulas"]
    assert seen["open"] == 0
    if name in LESSONS:
        assert seen["solutions"] == solutions_in(name) >= 3
    for link in seen["links"]:
        url, _, anchor = link.partition("#")
        if url.startswith(address):
            path = SITE / urllib.parse.unquote(urllib.parse.urlsplit(url).path.removeprefix("/dcgan-keras/"))
            path = path / "index.html" if path.is_dir() else path
            assert path.is_file(), link
            if anchor and path.suffix == ".html":
                text = path.read_text(encoding="utf-8")
                assert f'id="{urllib.parse.unquote(anchor)}"' in text, link
        else:
            assert link.startswith(("https://", "http://localhost", "data:")), link
    for width, (wide, high) in WIDTHS.items():
        tab.set_viewport_size({"width": wide, "height": high})
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            overflow = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, f"{overflow} pixels too wide: {width}"
            if (width, scheme) in (("phone", "light"), ("desk", "dark")):
                tab.wait_for_timeout(300)  # colours fade over
                # Colours of code and formulas are everywhere the same, and take three quarters of the time.
                without = [] if name in WITH_CODE else [[".highlight"], ["mjx-container"]]
                options = {"context": {"exclude": without}} if without else {}
                said = axe.Axe().run(tab, options={"resultTypes": ["violations"]}, **options)
                found = said.response["violations"]
                serious = [
                    (each["id"], [node["html"][:150] for node in each["nodes"]][:3])
                    for each in found
                    if each["impact"] in ("serious", "critical")
                ]
                assert not serious, (width, scheme, serious)
    assert not tab.problems


def test_the_film_is_first_and_the_explorer_second(tab):
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto("index.html", wait_until="load")
    film, live, course = (tab.locator(each).bounding_box()["y"] for each in (".film img", "#live", "#the-course"))
    assert film < live < course and live < 700
    tab.locator("#live").scroll_into_view_if_needed()
    tab.wait_for_selector("#live.drawn")
    paint = "[...document.querySelectorAll('#live canvas')].map((each) => each.toDataURL())"
    first = tab.evaluate(paint)
    assert len(set(first)) == 8
    tab.get_by_role("button", name="Eight new pictures").click()
    assert not set(first) & set(tab.evaluate(paint))
    tab.get_by_role("link", name="Open the explorer").click()
    tab.wait_for_selector("#controls:not([inert])")
    tab.get_by_role("link", name="The course").click()
    assert tab.url.endswith("/dcgan-keras/index.html")
    assert not tab.problems


def test_films_move_and_can_be_stopped(tab):
    """What Jupyter stores as PNG and is a GIF must reach the reader as a film. Its still is its last frame."""
    for page in ("index.html", "notebooks/07_training_and_gifs.html"):
        tab.goto(page, wait_until="load")
        films = tab.locator("img[data-still]")
        assert films.count()
        for film in films.all():
            frames = Image.open(io.BytesIO(tab.request.get(film.evaluate("each => each.src")).body()))
            assert frames.n_frames > 3
            button = film.locator("xpath=following-sibling::button")
            button.click()
            assert button.inner_text() == "Play the film"
            still = Image.open(io.BytesIO(tab.request.get(film.evaluate("each => each.src")).body()))
            frames.seek(frames.n_frames - 1)
            shown, last = (np.asarray(each.convert("L"), float) for each in (still, frames))
            assert getattr(still, "n_frames", 1) == 1 and np.abs(shown - last).mean() < 4
            button.click()
            assert film.evaluate("each => each.src") != film.evaluate("each => each.dataset.still")
    assert not tab.problems


def test_films_can_be_stepped_through(tab):
    tab.goto("index.html", wait_until="load")
    film, slider = tab.locator("img[data-still]").first, tab.locator(".steps").first
    frames = Image.open(io.BytesIO(tab.request.get(film.evaluate("each => each.src")).body()))
    last = frames.n_frames - 1
    for value, place in (("50", round(last / 2)), ("3", 3)):  # of 100 at first, then each picture of the film
        slider.fill(value)
        tab.wait_for_function(f"document.querySelector('.steps').ariaValueText === 'picture {place + 1} of {last + 1}'")
        tab.wait_for_function("document.querySelector('img[data-still]').src.startsWith('blob:')")
        tab.wait_for_timeout(300)
        shown = film.evaluate("""async (each) => {
            await each.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [each.naturalWidth, each.naturalHeight];
            canvas.getContext("2d").drawImage(each, 0, 0);
            return canvas.toDataURL();
        }""")
        frames.seek(place)
        shown = Image.open(io.BytesIO(base64.b64decode(shown.split(",")[1])))
        gap = np.abs(np.asarray(shown.convert("L"), float) - np.asarray(frames.convert("L"), float))
        assert gap.mean() < 1
    tab.get_by_role("button", name="Play the film").first.click()
    assert not film.evaluate("each => each.src").startswith("blob:")
    assert not tab.problems


def test_films_stand_still_for_who_asks_for_less_motion(tab):
    tab.emulate_media(reduced_motion="reduce")
    tab.goto("index.html", wait_until="load")
    assert tab.locator(".film img").get_attribute("src").endswith("-still.webp")
    assert tab.get_by_role("button", name="Play the film").count() == 1


def test_pictures_have_a_size_and_wait_until_they_are_near(tab):
    tab.goto("notebooks/09_evaluation.html", wait_until="load")
    pictures = tab.locator("article img").all()
    assert len(pictures) > 5
    for number, each in enumerate(pictures):
        assert int(each.get_attribute("width")) and int(each.get_attribute("height"))
        assert (each.get_attribute("loading") == "lazy") == (number > 0)


@pytest.mark.parametrize("name", ["index.html", "notebooks/10_mode_collapse.html", "teaching.html"])
def test_a_link_to_a_page_says_what_it_is(name):
    html = (SITE / name).read_text(encoding="utf-8")
    said = dict(re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)"', html))
    assert said["og:title"] and len(said["og:description"]) > 40 and said["og:url"].endswith(f"/{name}")
    assert len(said["description"]) > 40 and html.count('name="viewport"') == 1
    assert (SITE / said["og:image"].split("/", 4)[4]).is_file()
    assert f"/{name}</loc>" in (SITE / "sitemap.xml").read_text(encoding="utf-8")


def test_lessons_can_be_downloaded_and_opened_in_colab(tab):
    for name in LESSONS:
        tab.goto(name, wait_until="domcontentloaded")
        stem = name.removeprefix("notebooks/").removesuffix(".html")
        colab = tab.get_by_role("link", name="Open in Colab").get_attribute("href")
        repository = ADDRESS.removeprefix("https://github.com/")
        assert colab == f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{stem}.ipynb"
        given = tab.get_by_role("link", name="Download the notebook").get_attribute("href")
        assert given == f"{stem}.ipynb"
        assert (SITE / "notebooks" / given).read_bytes() == (ROOT / "notebooks" / given).read_bytes()


# What readers look for, and a page on which it must be found, among the first three.
QUERIES = {
    "checkerboard": "03_transposed",
    "receptive field": "02_convolution",
    "softplus": "04_bce",
    "mode collapse": "07_training",
    "resume": "07_training",
    "mixed precision": "08_gpu",
    "all-reduce": "08b_scale",
    "coverage": "09_evaluation",
    "spectral norm": "11b_remedies",
    "augmentation": "13_color",
    "slerp": "16_latent",
    "licence": "cite",
    "转置卷积": "03_transposed",
    "卷积核": "02_convolution",
    "判别器": "01_gans",
    "模式崩溃": "07_training",
    "二元交叉熵": "04_bce",
    "交叉熵": "04_bce",
    "感受野": "02_convolution",
    "数据增强": "13_color",
    "增强": "13_color",
    "梯度爆炸": "11b_remedies",
}


@pytest.mark.parametrize("words", QUERIES)
def test_search(tab, words):
    tab.goto("search.html?" + urllib.parse.urlencode({"q": words}), wait_until="load")
    results = tab.locator(".pagefind-ui__result")
    results.first.wait_for()
    addresses = [
        each.locator(".pagefind-ui__result-title > a").first.get_attribute("href") for each in results.all()[:4]
    ]
    assert any(QUERIES[words] in each for each in addresses), addresses
    excerpt = results.first.locator(".pagefind-ui__result-excerpt").first.inner_html()
    assert "<mark>" in excerpt
    assert not re.search("[\u4e00-\u9fff] (<mark>)?[\u4e00-\u9fff]", excerpt), "the index's endings are shown"
    assert not tab.problems


# What readers look for, and the sections that explain it, one of which must be among the first ten links.
SECTIONS = {
    "KID": "09_evaluation.html#",
    "spectral": "#exploding-gradients",
    "checkerboard": "03_transposed_convolution.html#measure-it",
    "receptive field": "02_convolution.html#the-receptive-field",
    "slerp": "16_latent_space.html#where-latent-vectors-lie",
    "Colab": "08_gpu.html#on-a-real-gpu",
    "windows": "index.html#start",
    "own images": "#your-own-images",
    "browser": "explorer/",
}


@pytest.mark.parametrize("words", SECTIONS)
def test_search_leads_to_the_section(tab, words):
    tab.goto("search.html?" + urllib.parse.urlencode({"q": words}), wait_until="load")
    finds = tab.locator(".pagefind-ui__result a")
    links = []
    for _ in range(100):  # they arrive page by page
        links = [each.get_attribute("href").replace("/#", "/index.html#") for each in finds.all()[:10]]
        if any(SECTIONS[words] in each for each in links):
            return
        tab.wait_for_timeout(100)
    pytest.fail(f"{SECTIONS[words]} is not among {links}")


def test_search_from_any_page_and_without_a_find(tab):
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto("notebooks/02_convolution.html", wait_until="load")
    tab.get_by_label("Search the course").fill("жжж")  # in a script of its own: of others, Pagefind finds beginnings
    tab.keyboard.press("Enter")
    tab.get_by_text("No results for жжж").wait_for()
    assert tab.url.endswith("search.html?q=%D0%B6%D0%B6%D0%B6") and not tab.problems


def parts(html):
    """How many formulas, pictures, films, solutions, tables and cells of code a page has."""
    article = html[html.index('role="main"') :]
    wanted = ("span.class=.math", "div.class=.math", "<img ", "data-still=", "<details", "<table", '<div class="cell')
    return {each: len(re.findall(each.replace("span.", "<span ").replace("div.", "<div "), article)) for each in wanted}


@pytest.mark.parametrize("name", CHINESE)
def test_a_chinese_page_is_the_english_one_in_other_words(name):
    html, other = ((SITE / each).read_text(encoding="utf-8") for each in (name, name.removeprefix("zh/")))
    assert '<html class="no-js" lang="zh-CN"' in html and '<html class="no-js" lang="en"' in other
    if name != "zh/terms.html":
        assert parts(html) == parts(other)
    for text, own in ((html, f"/{name}"), (other, f"/{name.removeprefix('zh/')}")):
        assert re.search(rf'<link rel="canonical" href="[^"]*{re.escape(own)}"', text), own
        for code in ("en", "zh-CN", "x-default"):
            assert text.count(f'hreflang="{code}" href=') >= 1
    switch = re.search(r'<p class="language"><a href="([^"]+)"[^>]*>(.+?)</a>', html)
    assert switch[2] == "English"
    for link in re.findall(r' (?:href|src)="([^"]+)"', html):
        if not re.match(r"[a-z]+:|#|//", link):
            target = (SITE / name).parent / urllib.parse.unquote(re.split("[?#]", link)[0])
            assert target.exists(), link


# As many pages as contain a term, so many the search finds at least: no dictionary knows them all.
TERMS = "转置卷积 卷积 反卷积 批归一化 归一化 梯度消失 损失函数 判别器 似然 潜在向量 模式崩溃 感受野".split()


def test_search_finds_chinese_terms_on_all_pages_that_have_them(tab):
    texts = []
    for name in (name for name in CHINESE if name != "zh/search.html"):
        article = re.search(r'<article role="main".*?</article>', (SITE / name).read_text(encoding="utf-8"), re.DOTALL)
        texts.append(re.sub("<[^>]+>", "", article[0]) if article else "")
    tab.goto("zh/search.html?q=" + urllib.parse.quote("卷积"), wait_until="load")
    tab.locator(".pagefind-ui__result-title a").first.wait_for()
    count = """async (terms) => {
        const pagefind = await import("../pagefind/pagefind.js");
        const found = [];
        for (const term of terms) found.push((await pagefind.search(term)).results.length);
        return found;
    }"""
    found = dict(zip(TERMS, tab.evaluate(count, TERMS)))
    there = {term: sum(term in text for text in texts) for term in TERMS}
    assert all(found[term] >= there[term] for term in TERMS) and sum(there.values()) >= 3 * len(TERMS), (found, there)
    address = tab.locator(".pagefind-ui__result-title a").first.get_attribute("href")
    assert "/zh/" in address and not tab.problems


def test_the_module_can_be_installed_from_the_site():
    (wheel,) = SITE.glob("dcgan_keras-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "dcgan_keras/gan.py" in archive.namelist()


@pytest.mark.parametrize("page", ["printable", "stamps"])
def test_the_pages_to_print_are_one_page_of_vectors(page):
    for name, size in (("a4", ("594.9", "841.9")), ("letter", ("612", "792"))):
        data = (SITE / f"{page}-{name}.pdf").read_bytes()
        assert len(re.findall(rb"/Type\s*/Page\b", data)) == 1 and b"/Subtype /Image" not in data
        assert all(re.search(rb"/MediaBox \[0 0 [^\]]*" + each.encode(), data) for each in size)


def test_the_zip_for_students_is_there():
    with zipfile.ZipFile(SITE / "student.zip") as archive:
        assert len(archive.namelist()) == 1 + len(list((ROOT / "notebooks").glob("*.ipynb")))
        assert "pip install" in archive.read("dcgan/README.txt").decode()


# The slide at the top of the window, the pictures on it that are drawn, and whether all of it can be seen.
SLIDE = """async () => {
  const slides = [...document.querySelectorAll("section")];
  const slide = slides.find((each) => each.getBoundingClientRect().bottom > innerHeight / 2);
  const box = slide.getBoundingClientRect();
  const pictures = [...slide.querySelectorAll("img")];
  await Promise.all(pictures.map((each) => each.decode()));
  const drawn = pictures.filter((each) => each.naturalWidth && each.getBoundingClientRect().width > 200).length;
  const whole = Math.abs(box.top) < 2 && box.height < innerHeight + 2;
  return { number: slides.indexOf(slide) + 1, of: slides.length, kind: slide.className, drawn, whole,
    pictures: pictures.length, words: slide.innerText };
}"""


@pytest.mark.parametrize("name", DECKS)
def test_slides_go_forward_and_back(tab, name):
    """A question before what answers it, each slide a screen, each figure drawn, on the screen of a projector."""
    tab.set_viewport_size({"width": 1280, "height": 720})
    tab.goto(name, wait_until="load")
    tab.evaluate("() => window.MathJax?.startup?.promise")
    asked = ""
    seen = tab.evaluate(SLIDE)
    for number in range(1, seen["of"] + 1):
        seen = tab.evaluate(SLIDE)
        assert seen["number"] == number and seen["whole"] and seen["drawn"] == seen["pictures"], seen
        assert f"{number} / {seen['of']}" in seen["words"]
        if seen["kind"] == "see":
            assert seen["words"].startswith(asked), seen
        asked = seen["words"].split("\n")[0]
        tab.keyboard.press("ArrowRight")
    tab.wait_for_function("() => location.hash === '#slide-' + document.querySelectorAll('section').length")
    assert seen["number"] == seen["of"]
    tab.keyboard.press("Home")
    assert tab.evaluate(SLIDE)["number"] == 1
    assert not tab.problems


def test_the_slider_of_a_film_on_a_slide_is_a_slider(tab):
    tab.set_viewport_size({"width": 1280, "height": 720})
    tab.goto("slides/00_quickstart.html", wait_until="load")
    number = tab.evaluate("document.querySelector('.steps').closest('section').id.replace('slide-', '')")
    tab.goto("about:blank")
    tab.goto(f"slides/00_quickstart.html#slide-{number}", wait_until="load")
    tab.wait_for_timeout(300)
    tab.locator(".steps").first.focus()
    for key in ("ArrowRight", "End", "Space"):
        tab.keyboard.press(key)
        bottoms = tab.evaluate(
            "[...document.querySelectorAll('section')].map((each) => each.getBoundingClientRect().bottom)"
        )
        assert sum(bottom <= 360 for bottom in bottoms) + 1 == int(number), key  # the one in the middle of the window
    assert not tab.problems


def test_a_chinese_film_speaks_chinese(tab):
    tab.goto("zh/index.html", wait_until="load")
    tab.locator(".steps").first.fill("40")
    assert tab.locator("button.stop").first.inner_text() == "播放动画"
    tab.wait_for_function("/^第 \\d+ 帧/.test(document.querySelector('.steps').ariaValueText)")
    tab.locator("button.stop").first.click()
    assert tab.locator("button.stop").first.inner_text() == "停止动画"


def test_slides_go_on_by_every_way(tab):
    def at():
        return tab.evaluate(SLIDE)["number"]

    tab.set_viewport_size({"width": 1280, "height": 720})
    tab.goto("slides/03_transposed_convolution.html", wait_until="load")
    for key, number in (("Space", 2), ("PageDown", 3), ("ArrowDown", 4), ("ArrowUp", 3), ("Shift+Space", 2)):
        tab.keyboard.press(key)
        assert at() == number, key
    tab.get_by_role("button", name="Next").click()
    assert at() == 3
    tab.get_by_role("button", name="Back").click()
    assert at() == 2
    tab.mouse.click(900, 650)
    assert at() == 3
    tab.mouse.click(60, 650)
    assert at() == 2
    tab.wait_for_function("() => location.hash === '#slide-2'")
    tab.reload(wait_until="load")
    assert at() == 2
    tab.goto("about:blank")
    tab.goto("slides/03_transposed_convolution.html#slide-9", wait_until="load")
    tab.wait_for_timeout(300)
    assert at() == 9
    tab.keyboard.press("ArrowLeft")
    assert at() == 8
    before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.get_by_role("button", name="Light or dark").click()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before
    tab.keyboard.press("Tab")
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab.keyboard.press("End")
    tab.wait_for_function("() => location.hash === '#slide-' + document.querySelectorAll('section').length")
    assert tab.get_by_role("button", name="Next").is_disabled()
    assert not tab.problems


def test_slides_are_swiped_on_a_phone(browser, address):
    with contextlib.closing(browser.new_context(base_url=address, **PHONE)) as context:
        page = context.new_page()
        page.goto("slides/00_quickstart.html", wait_until="load")
        swipe = """(by) => {
          const target = document.querySelector("h1");
          const touch = (x) => new Touch({ identifier: 1, target, clientX: x, clientY: 300 });
          const send = (kind, x, down) => target.dispatchEvent(new TouchEvent(kind,
            { bubbles: true, touches: down ? [touch(x)] : [], changedTouches: [touch(x)] }));
          send("touchstart", 200, true);
          send("touchend", 200 + by, false);
        }"""
        for by, number in ((-120, 2), (-20, 2), (120, 1)):
            page.evaluate(swipe, by)
            assert page.evaluate(SLIDE)["number"] == number


def test_slides_are_printed_one_a_page(tab):
    name = "slides/04_bce_loss.html"
    tab.goto(name, wait_until="load")
    tab.evaluate("() => window.MathJax?.startup?.promise")
    count = tab.locator("section").count()
    for paper in ("A4", "Letter"):
        data = tab.pdf(format=paper, landscape=True)
        assert len(re.findall(rb"/Type\s*/Page\b", data)) == count


def test_slides_work_without_a_server_and_without_scripts(browser):
    with contextlib.closing(browser.new_context(java_script_enabled=False)) as context:
        page = context.new_page()
        page.goto((SITE / "slides" / "07_training_and_gifs.html").as_uri(), wait_until="load")
        assert page.get_by_role("img").count() >= 5 and not page.get_by_role("button", name="Next").is_visible()
    page = browser.new_page()
    page.goto((SITE / "slides" / "07_training_and_gifs.html").as_uri(), wait_until="load")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(SLIDE)["number"] == 2 and page.evaluate(SLIDE)["drawn"] == 1
    page.close()
