; TOML: tables, and the keys in each.

(comment) @lead

(table . (_) @name) @item.table @body
(table_array_element . (_) @name) @item.table @body
(pair . (_) @name) @item.key
