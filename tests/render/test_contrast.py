"""The colours of the page of a session can be told apart."""

import re
from pathlib import Path

import agentctl.render.html as agentctl_html


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_stands_out_from_what_is_behind_it_in_light_and_dark() -> None:
    """As WCAG 2.2 wants it: 4.5 to 1 for text (1.4.3), 3 to 1 for the shapes of the time line (1.4.11)."""
    style = (Path(agentctl_html.__file__).parent / "page.css").read_text()
    themes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(themes) == 2
    for theme in themes:
        colours = {name: luminance(colour) for name, colour in re.findall(r"--(\w+): (#\w+)", theme)}

        def contrast(one: str, other: str, colours: dict[str, float] = colours) -> float:
            low, high = sorted((colours[one], colours[other]))
            return (high + 0.05) / (low + 0.05)

        for text_of in ("fg", "dim", "good", "bad", "warning", "accent"):
            for behind in ("bg", "soft", "mark"):
                assert contrast(text_of, behind) >= 4.5, (text_of, behind)
        for shape in ("model", "tools", "retry", "other"):
            assert contrast(shape, "bg") >= 3, shape
