; CSS: rules by selector, and blocks of rules by what they ask for.

[(comment) (js_comment)] @lead

(rule_set (selectors) @name) @item.rule
(media_statement . (_) @name (block) @body) @item.media
(keyframes_statement (keyframes_name) @name) @item.keyframes
(supports_statement . (_) @name (block) @body) @item.supports
(at_rule (at_keyword) @name (block)) @item.at
