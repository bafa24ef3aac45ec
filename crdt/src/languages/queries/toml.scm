; TOML: tables.

(comment) @lead

(table . (_) @name) @item.table
(table_array_element . (_) @name) @item.table
