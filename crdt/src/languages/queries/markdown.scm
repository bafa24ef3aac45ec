; Markdown: sections by heading, each inside the one above it.

(section (atx_heading heading_content: (_) @name)) @item.section @body
(section (setext_heading heading_content: (_) @name)) @item.section @body
