; YAML: keys, each inside the key of the mapping that it is in. What is in a list has no name and is text.

(comment) @lead
(document) @open
(block_node) @open
(block_mapping) @open

(block_mapping_pair key: (_) @name value: (block_node (block_mapping) @body)) @item.key
(block_mapping_pair key: (_) @name) @item.key
