; YAML: outermost keys.

(comment) @lead
(document) @open
(block_node) @open
(block_mapping) @open

(block_mapping_pair key: (_) @name) @item.key
