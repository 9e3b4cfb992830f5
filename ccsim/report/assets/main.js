// What the page does once it is there.

{
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.getElementById("panels");
  if (root && data) window.traces = new Traces(root, data);
  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll(".sheets").forEach(sheets);
  document.querySelectorAll(".heat-maps").forEach(cellTips);
}
