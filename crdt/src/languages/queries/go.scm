; Go: functions, methods by their receiver's type, types; groups of constants and variables by their first name.

(comment) @lead

(function_declaration name: (_) @name) @item.func
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @name
    (generic_type type: (_) @name)
    (pointer_type (type_identifier) @name)
    (pointer_type (generic_type type: (_) @name))]))
  name: (_) @name) @item.func
(type_declaration . (type_spec name: (_) @name)) @item.type
(type_declaration . (type_alias name: (_) @name)) @item.type
(const_declaration . (const_spec . name: (identifier) @name)) @item.const
(var_declaration . (var_spec . name: (identifier) @name)) @item.var
