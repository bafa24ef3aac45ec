; Java: types, methods, constructors and fields.

[(line_comment) (block_comment)] @lead

(class_declaration name: (_) @name body: (_) @body) @item.class
(interface_declaration name: (_) @name body: (_) @body) @item.interface
(enum_declaration name: (_) @name body: (_) @body) @item.enum
(enum_body_declarations) @open
(record_declaration name: (_) @name body: (_) @body) @item.record
(annotation_type_declaration name: (_) @name body: (_) @body) @item.annotation
(method_declaration name: (_) @name) @item.method
(annotation_type_element_declaration name: (_) @name) @item.method
(constructor_declaration name: (_) @name) @item.constructor
(compact_constructor_declaration name: (_) @name) @item.constructor
(field_declaration . (modifiers)? . (_) . (variable_declarator name: (_) @name)) @item.field
(constant_declaration (variable_declarator name: (_) @name)) @item.field
