; JSON: keys of the outermost object.

(comment) @lead
(document) @open
(object) @open

(pair key: (string (string_content) @name)) @item.key
