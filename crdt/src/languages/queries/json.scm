; JSON: keys, each inside the key of the object that it is in. What is in a list has no name and is text.

(comment) @lead
(document) @open
(object) @open

(pair key: (string (string_content) @name) value: (object) @body) @item.key
(pair key: (string (string_content) @name)) @item.key
