document.querySelectorAll(".cmd button").forEach(b => {
  b.hidden = false;
  b.onclick = () => navigator.clipboard.writeText(b.previousElementSibling.textContent).then(() => {
    b.textContent = "Copied";
    setTimeout(() => { b.textContent = "Copy" }, 1500);
  });
});
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName == "DETAILS") target.open = true;
};
addEventListener("hashchange", open);
open();
