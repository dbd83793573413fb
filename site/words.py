"""The few words of the site that stand in no text: captions, buttons, labels. In Chinese they are looked up here."""

from collections.abc import Callable

CHINESE = {
    "A figure, drawn by the cell above": "上面的代码画出的图",
    "Beside it": "相关内容",
    "CPU, 2 cores": "CPU，2 核",
    "DCGAN, live": "在浏览器里训练（英文）",
    "Download the notebook": "下载 notebook",
    "Evidence": "依据",
    "In your browser": "在浏览器里",
    "On GitHub": "英文 notebook（GitHub）",
    "One page to print": "可打印的一页（英文）",
    "Search": "搜索",
    "Search the course": "搜索本课程",
    "Stamps to cut out": "可剪下的印章（英文）",
    "The course": "课程",
    "The explorer": "生成器浏览器（英文）",
    "The ring game": "环上的博弈（英文）",
    "The search needs JavaScript.": "搜索需要 JavaScript。",
    "Words in English, or the document's Chinese terms: stride, KID, 转置卷积.": "例如：步幅、KID、转置卷积。",
    "notebook": "notebook",
    "you end with": "学完你会得到",
}


def of(language: str) -> Callable[[str], str]:
    """A function from English words to those of a language of Sphinx's: en or zh_CN. KeyError for words not here."""
    return CHINESE.__getitem__ if language == "zh_CN" else str
