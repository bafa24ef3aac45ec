; PHP: functions, types and members.

[(comment) (attribute_list)] @lead

(namespace_definition name: (_) @name body: (_) @body) @item.namespace
(function_definition name: (_) @name) @item.function
(class_declaration name: (_) @name body: (_) @body) @item.class
(interface_declaration name: (_) @name body: (_) @body) @item.interface
(trait_declaration name: (_) @name body: (_) @body) @item.trait
(enum_declaration name: (_) @name body: (_) @body) @item.enum
(method_declaration name: (_) @name) @item.method
(property_declaration (property_element name: (_) @name)) @item.property
(const_declaration (const_element (name) @name)) @item.const
(if_statement condition: (parenthesized_expression (unary_op_expression argument: (function_call_expression function: (_) @_asks arguments: (arguments (argument (string (string_content) @name))))))
  (#any-of? @_asks "function_exists" "class_exists")) @item.guard
