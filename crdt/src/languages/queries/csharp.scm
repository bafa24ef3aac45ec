; C#: namespaces, types and members.

(comment) @lead

(namespace_declaration name: (_) @name body: (_) @body) @item.namespace
(class_declaration name: (_) @name body: (_) @body) @item.class
(struct_declaration name: (_) @name body: (_) @body) @item.struct
(interface_declaration name: (_) @name body: (_) @body) @item.interface
(record_declaration name: (_) @name body: (_)? @body) @item.record
(enum_declaration name: (_) @name) @item.enum
(delegate_declaration name: (_) @name) @item.delegate
(method_declaration name: (_) @name) @item.method
(local_function_statement name: (_) @name) @item.method
(global_statement (local_function_statement name: (_) @name)) @item.method
(constructor_declaration name: (_) @name) @item.constructor
(destructor_declaration name: (_) @name) @item.destructor
(operator_declaration operator: _ @name) @item.operator
(conversion_operator_declaration type: (_) @name) @item.operator
(property_declaration name: (_) @name) @item.property
(indexer_declaration (#set! name "this")) @item.property
(event_declaration name: (_) @name) @item.event
(event_field_declaration (variable_declaration (variable_declarator name: (_) @name))) @item.event
(field_declaration (variable_declaration (variable_declarator name: (_) @name))) @item.field

(preproc_if) @open
(preproc_else) @open
(preproc_elif) @open
