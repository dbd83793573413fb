// The search page: Pagefind's own box, started with the words that the sidebar's box sent.

// A Chinese term stands in the index after its endings (findable in site/conf.py): "置卷积 卷积. 转置卷积".
// A reader sees the term, and in it what was searched for.
const ENDINGS = /((?:(?:<mark>)?[\u4e00-\u9fff]+(?:<\/mark>)? )*(?:<mark>)?[\u4e00-\u9fff]{2}\.(?:<\/mark>)?) (<mark>)?([\u4e00-\u9fff]{3,})/g;
const CUT_OFF = /(?:(?:<mark>)?[\u4e00-\u9fff]+(?:<\/mark>)? )+(?:<mark>)?[\u4e00-\u9fff]+\.?(?:<\/mark>)?$/;

function withoutEndings(excerpt) {
  const whole = excerpt.replace(ENDINGS, (_, endings, marked, term) => {
    const found = endings.match(/<mark>([\u4e00-\u9fff]+)/)?.[1];
    if (marked || !found || !term.endsWith(found)) return (marked ?? "") + term;
    return `${term.slice(0, -found.length)}<mark>${found}</mark>`;
  });
  return whole.replace(CUT_OFF, "…");
}

// The browser cuts 卷积 in two, the index does not, and Pagefind finds only beginnings of words. Without the browser's
// scissors, which a worker would have of its own, it looks for what was typed.
const chinese = document.documentElement.lang.startsWith("zh");
// @ts-ignore
if (chinese) delete Intl.Segmenter;

const box = new PagefindUI({
  element: "#search-box",
  noWorker: chinese,
  showSubResults: true,
  showImages: false,
  processResult(result) {
    result.excerpt = withoutEndings(result.excerpt);
    for (const part of result.sub_results ?? []) part.excerpt = withoutEndings(part.excerpt);
    return result;
  },
});
/** @type {HTMLInputElement} */
const input = document.querySelector("#search-box input");
input.setAttribute("aria-label", "Words to search for"); // Pagefind names it by a title alone
const words = new URLSearchParams(location.search).get("q");
if (words) box.triggerSearch(words);
else input.focus();
