// Everything in its place, the picture first.

theme.start();
headline();
live.start();
stairs.start();
stories.start();
facts();
foot();
table.start();
curves.start();
startTrials();
document.documentElement.dataset.ready = String(Math.round(performance.now()));
