// What the pages use and TypeScript does not know: the search box (Pagefind's own script) and a young property.
declare const PagefindUI: any;
interface Navigator {
  connection?: { saveData: boolean };
}
