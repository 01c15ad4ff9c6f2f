"""`qevolve-bench report`: one self-contained page about evaluations, submissions and training runs.

==============  ================================================================================
`inputs`        reads the arguments, and gathers them by method
`numbers`       calls the function of `statistics`, `efficiency` or `robustness` of each section
`drawing`       figures as lists of shapes, and their SVG
`charts`        the kinds of figures: line charts, forest plots, heat maps, radar plots
`figures`       the figures of a report, each with the table behind it
`episodes`      packs episodes for the page
`sections`, `reproduce`, `tipping`   the values of the page's sections
`html`          fills the templates of ``templates/`` by jinja2, and always escapes
`page`          the whole page
`files`         writes figures: SVG, and PNG by matplotlib (extra ``[report]``)
==============  ================================================================================

The number of methods, tasks or episodes is not limited; what a page cannot show it says in words.
"""
