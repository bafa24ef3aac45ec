; HTML: elements by tag and id, as far as they stand on lines of their own.

(comment) @lead
(document) @open

((element (start_tag (tag_name) @name (attribute (attribute_name) @_id [(quoted_attribute_value (attribute_value) @name) (attribute_value) @name]))) @body
  (#any-of? @_id "id") (#set! joint "#")) @item.element
((element (start_tag (tag_name) @name)) @body
  (#any-of? @name "html" "head" "body" "header" "main" "nav" "footer" "section" "article" "aside" "form" "table" "template" "dialog")) @item.element
((script_element (start_tag (tag_name) @name))) @item.element
((style_element (start_tag (tag_name) @name))) @item.element
