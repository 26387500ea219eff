"""The page in a headless Chromium that draws in software and reaches no other host: `make test-viewer`.

What the browser showed at the end of each test lies in `build/viewer/`.
"""

import io
import json
import shutil
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from matplotlib.image import imread

from dar_uda.viewer.serve import PAGE

pytestmark = pytest.mark.browser
SCREENSHOTS = Path(__file__).parents[2] / "build" / "viewer"
PATIENCE = 60  # seconds
ARGUMENTS = [
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,800"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"),
    *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--force-device-scale-factor=1"),
]


class Page:
    """The viewer in a browser, by its controls."""

    def __init__(self, driver):
        self.driver = driver

    def find(self, selector):
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def wait(self, condition):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, PATIENCE, poll_frequency=0.1).until(lambda _: condition())

    def settle(self):
        self.wait(lambda: self.find("main").get_attribute("aria-busy") == "false")

    def choose(self, selector, text):
        from selenium.webdriver.support.ui import Select

        Select(self.find(selector)).select_by_visible_text(text)
        self.settle()

    def click(self, selector):
        self.find(selector).click()
        self.settle()

    def pixels(self, pane="first"):
        """Return the picture of a pane as (height, width, 3) in [0, 1]."""
        return imread(io.BytesIO(self.find(f"#{pane} canvas").screenshot_as_png), format="png")[..., :3]

    def changed(self, before, pane="first"):
        """Return the picture of a pane as soon as it is another than `before`."""
        self.wait(lambda: not np.array_equal(self.pixels(pane), before))
        return self.pixels(pane)

    def place(self, pane="first"):
        return " ".join(self.find(f"#{pane} .place").text.split())

    def millimeters(self):
        return [float(word) for word in self.place().split()[2:7:2]]

    def messages(self, log):
        return [entry["message"] for entry in self.driver.get_log(log)]


@pytest.fixture(scope="module")
def driver():
    from selenium import webdriver

    assert (PAGE / "niivue.js").exists(), "make viewer"
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver, server, request):
    driver.get(server.address)
    page = Page(driver)
    page.settle()
    yield page
    errors = page.messages("browser")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(SCREENSHOTS / f"{request.node.name}.png")
    assert [error for error in errors if "500" not in error] == []  # what Chromium says of a volume that is gone


def colored(pixels):
    """Return the share of pixels that are no gray."""
    return float(np.mean(np.ptp(pixels, axis=-1) > 0.1))


def test_it_draws_a_case_without_an_error_and_without_another_host(page, server):
    pixels = page.pixels()
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    assert colored(pixels) > 0.01
    events = [json.loads(message)["message"] for message in page.messages("performance")]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert {server.address + name for name in ("", "niivue.js", "catalog.json", "volumes/0")} <= asked
    assert [url for url in asked if not url.startswith((server.address, "data:", "blob:"))] == []


def test_webgl_2_draws_in_three_planes(page):
    assert page.driver.execute_script("return panes[0].view.gl instanceof WebGL2RenderingContext")
    assert page.driver.execute_script("return panes[0].view.screenSlices.map((slice) => slice.axCorSag)") == [0, 1, 2]


def test_the_letters_at_the_lower_edge_keep_the_distance_of_those_at_the_upper(page):
    page.driver.execute_script("panes[0].view.drawText = ([x, y], text) => (window.drawn ??= []).push([text, y])")
    drawn = dict(page.driver.execute_script("panes[0].view.drawScene(); return drawn"))
    size, (_, top, _, height) = page.driver.execute_script(
        "return [panes[0].view.fontPx, panes[0].view.screenSlices[2].leftTopWidthHeight]"  # sagittal, drawn last
    )
    assert drawn["S"] == pytest.approx(top, abs=0.1)  # where a letter's box begins, which has a quarter free above it
    assert drawn["I"] + 1.25 * size == pytest.approx(top + height, abs=0.1)


def test_another_case_is_another_picture_and_says_that_it_has_no_reference(page):
    before = page.pixels()
    page.choose("#case", "m2")
    page.changed(before)
    assert page.find("#first h2").text == "m2, ct-to-mr: dar_uda"
    assert "no reference" in page.find("#missing").text
    assert not page.find("[data-overlay=reference] input").is_enabled()


def test_an_overlay_goes_and_comes_back(page):
    before = page.pixels()
    page.click("[data-overlay=prediction] input[type=checkbox]")
    page.click("[data-overlay=reference] input[type=checkbox]")
    without = page.changed(before)
    page.wait(lambda: colored(page.pixels()) < 0.001)
    page.click("[data-overlay=reference] input[type=checkbox]")
    page.click("[data-overlay=prediction] input[type=checkbox]")
    page.changed(without)
    page.wait(lambda: np.array_equal(page.pixels(), before))


def test_a_prediction_is_drawn_filled_or_as_an_outline(page):
    before = page.pixels()
    page.choose("[data-overlay=prediction] select", "outline")
    assert colored(page.changed(before)) < colored(before)


def test_probabilities_are_offered_where_they_were_kept(page):
    before = page.pixels()
    page.click("[data-overlay=probability] input[type=checkbox]")
    page.changed(before)
    assert "probability 0.80" in page.place()
    page.choose("#method", "source_only")
    assert "kept no probabilities" in page.find("#missing").text
    assert "probability" not in page.place()


def test_the_probability_of_one_structure_is_drawn_where_it_is_chosen(page):
    page.click("[data-overlay=probability] input[type=checkbox]")
    likeliest = page.pixels()
    page.choose("[data-overlay=probability] select", "liver")
    page.changed(likeliest)
    assert "probability 0.20" in page.place()
    page.choose("[data-overlay=probability] select", "spleen")
    page.wait(lambda: np.array_equal(page.pixels(), likeliest))


def test_the_mouse_moves_the_crosshair_and_the_wheel_the_slice(page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    opened, canvas = page.place(), page.find("#first canvas")
    ActionChains(page.driver).move_to_element_with_offset(canvas, -200, -50).click().perform()
    page.wait(lambda: page.place() != opened)
    clicked, start = page.place(), page.millimeters()
    ActionChains(page.driver).scroll_from_origin(ScrollOrigin.from_element(canvas, -200, -50), 0, 100).perform()
    page.wait(lambda: page.place() != clicked)
    right, front, up = (abs(after - before) for after, before in zip(page.millimeters(), start, strict=True))
    assert right < 2 and front < 2  # to the middle of the voxel
    assert up >= 2.5


def test_the_right_button_pans_and_the_wheel_with_control_zooms(page):
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    def pan_and_zoom():
        return page.driver.execute_script("return Array.from(panes[0].view.scene.pan2Dxyzmm)")

    opened, place, canvas = page.pixels(), page.place(), page.find("#first canvas")
    x, y = canvas.rect["x"] + 200, canvas.rect["y"] + 300
    drag = ActionBuilder(page.driver)
    mouse = drag.pointer_action
    mouse.move_to_location(x, y).pointer_down(button=2).move_to_location(x + 50, y).pointer_up(button=2)
    drag.perform()
    page.wait(lambda: pan_and_zoom()[0] != 0)
    assert pan_and_zoom()[3] == 1
    wheel = ScrollOrigin.from_element(canvas, -200, -50)
    ActionChains(page.driver).key_down(Keys.CONTROL).scroll_from_origin(wheel, 0, -100).key_up(Keys.CONTROL).perform()
    page.wait(lambda: pan_and_zoom()[3] > 1)
    assert page.place() == place
    page.click("#reset")
    page.wait(lambda: np.array_equal(page.pixels(), opened))


def test_two_methods_stand_side_by_side_with_one_crosshair(page):
    from selenium.webdriver import ActionChains

    page.choose("#second", "source_only")
    assert page.find("#other h2").text == "m1, ct-to-mr: source_only"
    before = page.place()
    assert before.startswith("place R") and before == page.place("other")
    ActionChains(page.driver).move_to_element_with_offset(page.find("#first canvas"), 40, -150).click().perform()
    page.wait(lambda: page.place() != before and page.place() == page.place("other"))
    assert [cell.text for cell in page.driver.find_elements("css selector", "#legend .dice")][-4:] == ["0.500"] * 2 + [
        ""
    ] * 2


def test_the_value_under_the_crosshair_is_the_scans(page):
    page.driver.execute_script("panes[0].goTo([14, 12, 10])")  # voxel 7, 6, 2 of 20 x 16 x 6
    assert (
        page.place() == f"place R 14.0 A 12.0 S 10.0 mm value {7 * 16 * 6 + 6 * 6 + 2} prediction liver reference liver"
    )


def test_the_window_changes_the_picture_and_can_be_reset(page):
    before = page.pixels()
    assert [page.find(f"#{name}").get_attribute("value") for name in ("level", "width")] == ["400", "1000"]
    slider = page.find("#level-range")
    assert [slider.get_attribute(name) for name in ("min", "max")] == ["-100", "1919"]  # of the window, of the scan
    page.driver.execute_script(
        "const input = document.querySelector('#level'); input.value = 1500; input.dispatchEvent(new Event('input'))"
    )
    assert page.changed(before).mean() < before.mean()
    page.click("#reset")
    page.wait(lambda: np.array_equal(page.pixels(), before))


def test_a_change_of_the_window_makes_two_textures_of_the_scans_size_and_none_of_the_masks(page):
    page.driver.execute_script(
        "const { gl } = panes[0].view, make = gl.texStorage3D; window.made = [];"
        "gl.texStorage3D = (...values) => { made.push(values.slice(3)); make.apply(gl, values); }"
    )
    page.click("#reset")
    assert page.driver.execute_script("return made").count([20, 16, 6]) == 2  # the scan's values, and their colors


def test_on_a_narrow_screen_the_picture_is_as_wide_as_the_page_and_two_stand_one_below_the_other(page):
    page.driver.set_window_size(500, 800)  # Chromium's least
    try:
        page.choose("#second", "source_only")
        first, other = (page.find(f"#{pane} canvas").rect for pane in ("first", "other"))
        assert min(first["width"], other["width"]) > 450
        assert other["y"] > first["y"] + first["height"]
        assert page.driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.driver.set_window_size(1200, 800)


def test_a_synthetic_volume_stands_beside_its_source(page):
    page.click("input[value=synthetic]")
    assert page.find("#first h2").text == "c1: source, ct"
    assert page.find("#other h2").text == "c1 as mr, style 0: disentangled-multi"
    assert page.find("#code").text == "Style code: 0.25, -0.50"
    source, styled = page.pixels(), page.pixels("other")
    page.choose("#style", "style 1")
    page.changed(styled, "other")
    assert "value 0.75" in page.place("other")
    assert "value 0 " in page.place()
    assert np.array_equal(page.pixels(), source)


def test_the_least_sure_cases_are_listed_and_opened_by_a_click(driver, doubtful):
    driver.get(doubtful.address)
    page = Page(driver)
    page.settle()
    assert [item.text for item in driver.find_elements("css selector", "#doubts li")] == [
        "m2 liver, expected Dice 0.25: not found",
        "m1 spleen, expected Dice 0.50: Dice 0.50 with its masks of the scan brighter, darker or flipped",
    ]
    assert page.find("#verdict").text.startswith("dar_uda: without labels, adaptation helped over source_only")
    page.click("#doubts li:last-child button")
    assert page.find("#first h2").text == "m1, ct-to-mr: dar_uda"


def choose_m2(page):
    page.driver.execute_script("find('#case').value = 1; find('#case').dispatchEvent(new Event('change'))")


def test_it_says_what_is_still_read(page, server):
    number, go_on = server.catalog.page["cases"][1]["image"], Event()
    read = server.catalog.volumes[number]
    server.catalog.volumes[number] = lambda: go_on.wait() and read()
    try:
        choose_m2(page)
        page.wait(lambda: page.find("#status").text == "Reading image ...")
    finally:
        go_on.set()
        server.catalog.volumes[number] = read
    page.settle()
    assert page.find("#status").text == ""


def test_a_volume_that_is_too_long_for_the_graphics_is_named_with_its_size(page):
    page.driver.execute_script("panes[0].view.uiData.max3D = 19")
    choose_m2(page)
    page.wait(lambda: "at most 19 voxels a side, not 20 x 16 x 6 voxels" in page.find("#status").text)


def test_a_volume_that_the_graphics_refuse_is_named_with_its_size(page):
    page.driver.execute_script("const errors = [1281]; panes[0].view.gl.getError = () => errors.pop() ?? 0")
    choose_m2(page)
    page.wait(lambda: "cannot hold 20 x 16 x 6 voxels" in page.find("#status").text)
    page.choose("#case", "m1")
    assert page.find("#status").text == ""


def test_a_volume_that_is_gone_is_named(page, server):
    number = server.catalog.page["cases"][1]["image"]
    reader = server.catalog.volumes[number]
    scan = reader.args[0]
    gone = scan.rename(scan.with_name("gone.nii.gz"))
    try:
        choose_m2(page)
        page.wait(lambda: "m2.nii.gz: no such file" in page.find("#status").text)
    finally:
        gone.rename(scan)
