// A start that found no free GPU has a ticket: go to its page.
(function () {
  const link = document.querySelector("a.waylab-wait");
  if (link) { window.location.replace(link.href); }
})();
