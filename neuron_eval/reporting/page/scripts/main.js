// Brings the page to life: tables, list, dialog, and an address for each neuron.

const data = JSON.parse(byId("data").textContent);
for (const table of document.querySelectorAll("table.sortable")) sortable(table);

const openNeuron = neuronDialog(data);
const list = neuronList(data, byId("filter"), (i) => openNeuron(i, list.order()));

const asked = data.neurons.findIndex((neuron) => location.hash === neuronHash(neuron));
if (asked >= 0) openNeuron(asked, list.order());
document.documentElement.dataset.ready = "true";
