"""The page as a person meets it: a real server, the shipped model, a real browser."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from look_reference import random_look
from page_server import serving

from fashionnet.app.client import Client
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.repository.store import Repository
from fashionnet.samples.collection import write_catalogue

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

WARDROBE = sorted((Path(__file__).parents[1] / "examples" / "wardrobe").glob("*.jpg"))
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
TABS = ("My style", "For me", "Shift", "Complete", "Catalogue")
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture(scope="module")
def address(cache):
    with serving(environment=cache) as (_, address):
        yield address


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Where the screenshots go: FASHIONNET_SCREENSHOTS, to look at them afterwards."""
    named = os.environ.get("FASHIONNET_SCREENSHOTS")
    return Path(named) if named else tmp_path_factory.mktemp("screenshots")


@pytest.fixture
def visit(browser, address):
    """Open the page in a new window of some kind; every address asked for is the server's."""
    contexts = []

    def opened(kind=DESKTOP, at=None, **more):
        at = at or address
        context = browser.new_context(**kind, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        asked, failed = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda line: failed.append(line.text) if line.type == "error" else None)
        page.goto(at)
        page.wait_for_selector("html[data-ready]")
        page.asked, page.failed = asked, failed
        return page

    yield opened
    for context in contexts:
        for page in context.pages:
            assert page.failed == []
            own = ("blob:", "data:", page.url.split("/#")[0].rstrip("/"))
            assert [url for url in page.asked if not url.startswith(own)] == []
        context.close()


def until(page, expression, argument=None):
    """Wait for an expression to hold; Playwright's own wait needs eval, which the page forbids."""
    for _ in range(600):
        if page.evaluate(expression, argument):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never came true: {expression}")


def show_wardrobe(page, photos=WARDROBE):
    page.set_input_files("[data-tray=liked] input[type=file] >> nth=0", photos)
    until(
        page,
        "count => document.querySelectorAll('[data-tray=liked] .vector').length === count",
        len(photos),
    )
    page.wait_for_selector(f"#profile >> text=of {len(photos)}")


def open_tab(page, name):
    page.click(f"nav >> text={name}")


def titles(page):
    page.wait_for_selector("#wall:not([aria-busy]) .card")
    return page.locator("#wall .card h2").all_inner_texts()


def reasons(page):
    page.wait_for_selector("#wall:not([aria-busy]) .reason")
    return page.locator("#wall .reason").all_inner_texts()


def wait_for_pictures(page):
    """Wait for the pictures at the top of the wall."""
    page.wait_for_selector("#wall:not([aria-busy])")
    until(
        page,
        "[...document.querySelectorAll('#wall img')].slice(0, 4).every((i) => i.naturalWidth > 0)",
    )


def wait_for_tab(page, tab):
    """Wait for what a tab asks the server for."""
    if tab == "For me":
        titles(page)
        wait_for_pictures(page)
    if tab == "Shift":
        page.wait_for_selector("#shift-wall:not([aria-busy]) .card")
    if tab == "Complete":
        page.wait_for_selector("#look-state .notice >> text=--")
    if tab == "Catalogue":
        page.wait_for_selector("#map-place > *")
        page.wait_for_selector("#holdings .figures")
        page.wait_for_selector("#left-out > *")


def counts(page, attribute):
    cells = page.locator(f"#profile ul[aria-label={attribute}] li").all_inner_texts()
    return {cell.split("\n")[0]: int(cell.split("\n")[1].split()[0]) for cell in cells}


def shares_of_striped_and_checkered(page):
    found = reasons(page)[:10]
    return sum("striped" in reason or "checkered" in reason for reason in found)


def test_photos_show_their_vectors_and_a_click_corrects_them(visit, pictures):
    page = visit()
    show_wardrobe(page)
    assert page.locator("[data-tray=liked] .photo select").count() == 4 * len(WARDROBE)
    first = page.locator("[data-tray=liked] .photo").first
    assert "%" in first.locator("select").first.inner_text()
    before = counts(page, "pattern")
    assert sum(before.values()) == len(WARDROBE) and before["checkered"] >= 3
    page.screenshot(path=pictures / "my-style.png", full_page=True)

    first.locator("select").first.select_option("floral")
    page.wait_for_selector("text=corrected by you")
    page.wait_for_selector("#profile ul[aria-label=pattern] li:has-text('floral'):has-text('1 of')")
    assert counts(page, "pattern")["floral"] == before["floral"] + 1
    # The keyboard stays where it was.
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("pattern")

    first.locator(".remove").click()
    page.wait_for_selector(f"#profile >> text=of {len(WARDROBE) - 1}")

    page.set_input_files("[data-tray=disliked] input[type=file] >> nth=0", WARDROBE[0])
    page.wait_for_selector("#profile >> text=1 disliked")
    assert page.locator("[data-tray=disliked] .vector").count() == 1


def test_the_wall_answers_to_the_wardrobe_and_to_each_like(visit, pictures):
    page = visit()
    open_tab(page, "For me")
    assert len(titles(page)) == 60
    assert "nothing is known of your style" in page.inner_text("#found")
    open_tab(page, "My style")
    show_wardrobe(page)
    open_tab(page, "For me")
    page.wait_for_selector("#found >> text=the best for you first")
    assert shares_of_striped_and_checkered(page) >= 8
    wait_for_pictures(page)
    page.screenshot(path=pictures / "for-me.png")

    liked = page.locator("#wall .card").first.get_attribute("data-id")
    page.click("#wall .card >> nth=0 >> text=Like")
    page.wait_for_selector(".strip >> text=You like")
    page.wait_for_selector(f"#wall .card[data-id='{liked}']", state="detached")
    disliked = page.locator("#wall .card").first.get_attribute("data-id")
    page.click("#wall .card >> nth=0 >> text=Dislike")
    page.wait_for_selector(".strip >> text=You dislike")
    page.wait_for_selector(f"#wall .card[data-id='{disliked}']", state="detached")
    page.click("[aria-label^='Take back: dislike']")
    page.wait_for_selector("text=You dislike", state="detached")
    page.wait_for_selector(f"#wall .card[data-id='{disliked}']")
    wait_for_pictures(page)
    page.screenshot(path=pictures / "for-me-refined.png")


def test_filters_weights_and_more_steer_the_wall(visit):
    page = visit()
    show_wardrobe(page, WARDROBE[:2])
    open_tab(page, "For me")
    titles(page)
    page.click("summary >> text=gender")
    page.check("[data-column=gender] input[value=Women]")
    until(
        page,
        "[...document.querySelectorAll('#wall h2')].every((h) => h.innerText.startsWith('Women'))",
    )
    page.click("summary >> text=base colour")
    assert page.locator("[data-column=baseColour] .swatch").count() >= 5
    page.check("[data-column=baseColour] input[value=Red]")
    until(page, "[...document.querySelectorAll('#wall h2')].every((h) => /Red/.test(h.innerText))")
    page.click("summary >> text=price")
    page.fill("[data-column=price] [data-end=to]", "1")
    page.wait_for_selector("text=No item meets these filters")
    page.click("text=Start again")
    page.wait_for_selector("#found >> text=60 of 300 items")
    page.click("text=Show more")
    page.wait_for_selector("#found >> text=120 of 300 items")
    page.locator("#weight-pattern").fill("3")
    page.wait_for_selector("#wall .score >> text=of 6")


def shift_titles(page, wanted):
    """Return the titles of the first ten once the wall says what was wanted."""
    page.wait_for_selector(f"#shift-found >> text={wanted}")
    return page.locator("#shift-wall .card h2").all_inner_texts()[:10]


def test_the_wall_changes_as_a_photo_is_shifted(visit, pictures):
    page = visit()
    open_tab(page, "Shift")
    # Before a photo is shown it starts from an item.
    page.wait_for_selector("#shift-wall:not([aria-busy]) .card")
    page.set_input_files("#shift-drop input[type=file]", WARDROBE[0])
    before = shift_titles(page, f"most like {WARDROBE[0].name}.")
    assert page.inner_text("#query h2") == WARDROBE[0].name
    assert sum("Checkered" in title for title in before) >= 6
    page.locator("[data-class=floral]").fill("3")
    floral = shift_titles(page, "more floral")
    assert sum("Floral" in title for title in floral) >= 6
    page.screenshot(path=pictures / "shift.png")
    page.click("#shifting >> text=Start again")
    assert shift_titles(page, f"most like {WARDROBE[0].name}.") == before
    page.locator("[data-class=checkered]").fill("-3")
    less = shift_titles(page, "less checkered")
    assert sum("Checkered" in title for title in less) <= 2
    page.click("#shifting summary >> text=gender")
    page.check("#shifting [data-column=gender] input[value=Women]")
    until(
        page,
        "[...document.querySelectorAll('#shift-wall h2')]"
        ".every((h) => h.innerText.startsWith('Women'))",
    )


def test_an_item_leads_to_more_of_it_and_to_what_is_similar(visit):
    page = visit()
    open_tab(page, "For me")
    first = page.locator("#wall .card").first
    titles(page)
    title, classes = first.locator("h2").inner_text(), first.locator(".reason").inner_text()
    first.get_by_text("More of this").click()
    page.wait_for_selector(f"#found >> text=share most features with {title}")
    assert all(f"{name} 1 of 1" in reasons(page)[0] for name in classes.split(", "))
    page.click("text=Back to my whole style")
    page.wait_for_selector("#found >> text=nothing is known of your style")
    titles(page)
    first.get_by_text("Similar").click()
    page.wait_for_selector(f"#shift-found >> text=most like {title}")
    assert page.inner_text("#query h2") == title


def test_an_item_opens_with_all_that_is_known_of_it(visit, pictures):
    page = visit()
    open_tab(page, "For me")
    title = titles(page)[0]
    page.click("#wall .card .picture >> nth=0")
    assert page.inner_text("#item-title") == title
    assert "price" in page.inner_text("dialog .details")
    until(page, "document.querySelector('dialog img').complete")
    page.screenshot(path=pictures / "item.png")
    page.keyboard.press("Escape")
    assert not page.evaluate("document.querySelector('dialog').open")
    # The keyboard is back where it came from.
    assert "picture" in page.evaluate("document.activeElement.className")


def test_a_profile_is_saved_and_opened_again(visit, tmp_path):
    page = visit()
    show_wardrobe(page, WARDROBE[:3])
    with page.expect_download() as download:
        page.click("#save-profile")
    download.value.save_as(tmp_path / "me.json")
    again = visit()
    again.set_input_files("#open-profile", tmp_path / "me.json")
    again.wait_for_selector("#profile >> text=of 3")
    assert counts(again, "pattern") == counts(page, "pattern")


def test_what_is_no_photo_says_why_and_is_not_used(visit, tmp_path):
    (tmp_path / "broken.jpg").write_text("no photo")
    page = visit()
    page.set_input_files("[data-tray=liked] input[type=file] >> nth=0", tmp_path / "broken.jpg")
    page.wait_for_selector("text=Left out: not a photo")
    assert page.is_disabled("#save-profile")
    # The browser itself notes the answer 422.
    page.failed.clear()


def test_the_keyboard_alone_gets_to_a_like(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    titles(page)
    page.locator("#wall .card .opinions button").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".strip >> text=You like")
    page.wait_for_selector("#found >> text=the best for you first")
    assert page.evaluate("document.activeElement.closest('#wall') !== null")


def serious_findings(page, *rules):
    """Return what axe finds against some rules, or against all where none is named."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    options = {"runOnly": list(rules)} if rules else None
    # Cards are alike: the first four stand for all.
    context = {"exclude": [[".wall .card:nth-child(n+5)"]]}
    return [
        f"{rule['id']}: {rule['nodes'][0]['html'][:200]}"
        for rule in axe.Axe().run(page, context, options).response["violations"]
        if rule["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, pictures, scheme):
    page = visit(color_scheme=scheme)
    show_wardrobe(page, WARDROBE[:1])
    for tab in TABS:
        open_tab(page, tab)
        wait_for_tab(page, tab)
        # In the dark nothing but the colours is another.
        rules = () if scheme == "light" else ("color-contrast",)
        assert serious_findings(page, *rules) == [], tab
        page.screenshot(path=pictures / f"{scheme}-{tab.lower().replace(' ', '-')}.png")


def test_a_phone_shows_every_tab_without_scrolling_sideways(visit, pictures):
    page = visit(PHONE)
    assert page.locator(".tray >> text=Take a photo").count() == 2
    show_wardrobe(page, WARDROBE[:4])
    for tab in TABS:
        open_tab(page, tab)
        wait_for_tab(page, tab)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), tab
        page.screenshot(path=pictures / f"phone-{tab.lower().replace(' ', '-')}.png")


def test_the_sample_catalogue_says_how_to_get_one_of_ones_own(visit, pictures):
    page = visit()
    open_tab(page, "Catalogue")
    wait_for_tab(page, "Catalogue")
    assert "build_repository.py --catalogue" in page.inner_text("#adding")
    assert "300" in page.inner_text("#holdings")
    page.screenshot(path=pictures / "catalogue.png")


@pytest.fixture(scope="module")
def small_shop(tmp_path_factory):
    """A repository of four drawn photos, a look model of random weights, and 24 photos to add."""
    place = tmp_path_factory.mktemp("shop")
    write_catalogue(place / "shop", 4, seed=3)
    write_catalogue(place / "new", 24, seed=4)
    network = CompiledNetwork.open()
    Repository.build(place / "shop" / "catalogue.csv", place / "repository", network)
    (place / "look").mkdir()
    random_look(network.fingerprint).save(place / "look")
    return place


@pytest.fixture(scope="module")
def shop_address(small_shop, cache):
    words = ("--repository", small_shop / "repository", "--look", small_shop / "look")
    with serving(*words, environment=cache) as (_, address):
        yield address


@pytest.fixture
def own(small_shop, tmp_path):
    """The same, to be changed at will."""
    shutil.copytree(small_shop, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_map_is_drawn_and_opens_what_is_in_its_middle(visit, shop_address, pictures):
    page = visit(at=shop_address)
    open_tab(page, "Catalogue")
    page.click("#draw-map")
    page.wait_for_selector("#map[data-ready]")
    page.locator("#map").scroll_into_view_if_needed()
    page.screenshot(path=pictures / "map.png")
    assert serious_findings(page) == []
    page.focus("#map > canvas")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] #item-title")
    page.keyboard.press("Escape")
    # It is there at once for the next visit.
    again = visit(at=shop_address)
    open_tab(again, "Catalogue")
    again.wait_for_selector("#map[data-ready]")


@pytest.mark.parametrize("kind", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_look_is_completed_with_a_photo_and_with_an_item(visit, shop_address, pictures, kind):
    page = visit(kind, at=shop_address)
    open_tab(page, "Complete")
    page.wait_for_selector("#look-choices:not([hidden])")
    page.set_input_files("#look-drop input[type=file] >> nth=0", WARDROBE[0])
    page.wait_for_selector(f"#look-found >> text=goes best with {WARDROBE[0].name}")
    assert "Attention over the photo" in page.get_attribute("#look-figures img >> nth=1", "alt")
    until(page, "[...document.querySelectorAll('#look-figures img')].every((i) => i.naturalWidth)")
    chosen = page.locator("#look-category option").nth(1).inner_text()
    page.select_option("#look-category", index=1)
    page.wait_for_selector(f"#look-found >> text=of {chosen.partition(' (')[0]},")
    until(page, "[...document.querySelectorAll('#look-wall img')].every((i) => i.naturalWidth)")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=pictures / f"look-{kind['viewport']['width']}.png")
    assert serious_findings(page) == []
    # All of one category are of one gender, or the filter tells them apart: none is left but those.
    if kind is PHONE:
        page.click("#look .steering > summary")
    page.click("#look-steering summary >> text=gender")
    box = page.locator("#look-steering [data-column=gender] input").first
    box.check()
    page.wait_for_selector("#look-steering .count >> text=(1)")
    until(
        page,
        "gender => [...document.querySelectorAll('#look-wall h2')]"
        ".every((h) => h.innerText.startsWith(gender))",
        box.get_attribute("value"),
    )
    page.click("#look-steering >> text=Start again")
    open_tab(page, "For me")
    title = titles(page)[0]
    page.locator("#wall .card").first.get_by_text("Complete the look").click()
    page.wait_for_selector(f"#look-found >> text=goes best with {title}")


def test_the_python_client_completes_a_look(shop_address):
    client = Client(shop_address)
    column = client.items()["items"][0]["metadata"]["articleType"]
    found = client.complete_look(WARDROBE[0], column, top=2)
    assert found["category"] == column and found["items"][0]["compatibility"] > 0


def test_added_photos_are_described_though_the_server_is_killed_meanwhile(
    visit, own, cache, pictures
):
    photos = sorted((own / "new").glob("*.jpg"))
    repository = own / "repository"
    with serving("--repository", repository, environment=cache) as (process, address):
        page = visit(at=address)
        open_tab(page, "Catalogue")
        page.wait_for_selector("text=items to recommend")
        table = own / "new" / "catalogue.csv"
        header, *rows = table.read_text("utf-8").splitlines()
        table.write_text("\n".join([header, *rows, rows[-1].replace("_00023", "_lost")]))
        page.set_input_files("#adding input[type=file] >> nth=0", [*photos, table])
        page.wait_for_selector("text=/Describing \\d+ of 24 photos/")
        process.send_signal(signal.SIGKILL)
        process.wait()
        page.screenshot(path=pictures / "adding.png")
        page.goto("about:blank")
        page.failed.clear()
        page.asked.clear()
    # Whole at any moment: what was committed before is there.
    assert len(Repository.open(repository)) >= 4
    with serving("--repository", repository, environment=cache) as (_, address):
        page = visit(at=address)
        open_tab(page, "Catalogue")
        # A fast machine may have described them all before it was killed: then nothing is left
        # to be said.
        until(page, "document.querySelector('#holdings .figures dd')?.innerText === '28'")
        page.wait_for_selector("#left-out >> text=no photo sample_4_lost.jpg")
        page.screenshot(path=pictures / "added.png")
        page.goto("about:blank")
        page.asked.clear()
        page.failed.clear()
    added = Repository.open(repository)
    assert len(added) == 28
    # What the table says of them is there, too.
    (item,) = [name for name in added.items().ids if name.startswith("sample_4_")][:1]
    assert added.metadata([item])[0]["articleType"]
