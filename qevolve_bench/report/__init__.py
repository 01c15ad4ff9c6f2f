"""`qevolve-bench report`: one self-contained page about evaluations, submissions and training runs.

==============  ================================================================================
`inputs`        what was given, gathered by method
`numbers`       which function of `statistics`, `efficiency`, `robustness` answers each section
`drawing`       a figure as a list of shapes; SVG (`png`: PNG by matplotlib, extra ``[report]``)
`axes`, `forest`, `lines`, `radar`, `heatmap`, `rounds`   the kinds of figures
`figures`       the figures of a report, each with the table behind it
`episodes`      episodes, packed for the page
`sections`, `reproduce`, `tipping`   the values of the page's sections
`templates`     the page's HTML, which `html` fills by jinja2 and always escapes
`page`          the whole of it
`files`         writing it
==============  ================================================================================

The number of methods, tasks or episodes is not limited; what a page cannot show it says in words.
"""
