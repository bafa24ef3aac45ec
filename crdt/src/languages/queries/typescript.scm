; TypeScript and TSX: functions, classes, methods, interfaces, types, enums and namespaces.

[(comment) (decorator)] @lead

(function_declaration name: (_) @name) @item.function
(generator_function_declaration name: (_) @name) @item.function
(class_declaration name: (_) @name body: (_) @body) @item.class
(lexical_declaration (variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression) (generator_function)])) @item.function
(lexical_declaration (variable_declarator name: (identifier) @name value: (class body: (_) @body))) @item.class
(lexical_declaration . (variable_declarator name: (identifier) @name)) @item.const
(variable_declaration (variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression) (generator_function)])) @item.function
(variable_declaration . (variable_declarator name: (identifier) @name)) @item.var
(expression_statement (assignment_expression left: (_) @name right: [(arrow_function) (function_expression) (generator_function)])) @item.function
(expression_statement (assignment_expression left: (_) @name right: (class body: (_) @body))) @item.class

(export_statement declaration: (function_declaration name: (_) @name)) @item.function
(export_statement declaration: (generator_function_declaration name: (_) @name)) @item.function
(export_statement declaration: (class_declaration name: (_) @name body: (_) @body)) @item.class
(export_statement declaration: (lexical_declaration (variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression) (generator_function)]))) @item.function
(export_statement declaration: (lexical_declaration . (variable_declarator name: (identifier) @name))) @item.const
(export_statement value: [(arrow_function) (function_expression) (generator_function)] (#set! name "default")) @item.function
(export_statement value: (class body: (_) @body) (#set! name "default")) @item.class

(method_definition name: (_) @name) @item.method
(public_field_definition name: (_) @name value: [(arrow_function) (function_expression)]) @item.method

(function_signature name: (_) @name) @item.function
(abstract_class_declaration name: (_) @name body: (_) @body) @item.class
(interface_declaration name: (_) @name body: (_) @body) @item.interface
(type_alias_declaration name: (_) @name) @item.type
(enum_declaration name: (_) @name) @item.enum
(module name: (_) @name body: (_)? @body) @item.namespace
(internal_module name: (_) @name body: (_)? @body) @item.namespace
(expression_statement (internal_module name: (_) @name body: (_)? @body)) @item.namespace
(ambient_declaration (function_signature name: (_) @name)) @item.function
(ambient_declaration (class_declaration name: (_) @name body: (_) @body)) @item.class
(ambient_declaration (abstract_class_declaration name: (_) @name body: (_) @body)) @item.class
(ambient_declaration (interface_declaration name: (_) @name body: (_) @body)) @item.interface
(ambient_declaration (type_alias_declaration name: (_) @name)) @item.type
(ambient_declaration (enum_declaration name: (_) @name)) @item.enum
(ambient_declaration (module name: (_) @name body: (_)? @body)) @item.namespace
(ambient_declaration (internal_module name: (_) @name body: (_)? @body)) @item.namespace
(ambient_declaration (lexical_declaration . (variable_declarator name: (identifier) @name))) @item.const
(ambient_declaration (statement_block) @body (#set! name "global")) @item.namespace

(export_statement declaration: (function_signature name: (_) @name)) @item.function
(export_statement declaration: (abstract_class_declaration name: (_) @name body: (_) @body)) @item.class
(export_statement declaration: (interface_declaration name: (_) @name body: (_) @body)) @item.interface
(export_statement declaration: (type_alias_declaration name: (_) @name)) @item.type
(export_statement declaration: (enum_declaration name: (_) @name)) @item.enum
(export_statement declaration: (module name: (_) @name body: (_)? @body)) @item.namespace
(export_statement declaration: (internal_module name: (_) @name body: (_)? @body)) @item.namespace
(export_statement declaration: (ambient_declaration (class_declaration name: (_) @name body: (_) @body))) @item.class
(export_statement declaration: (ambient_declaration (function_signature name: (_) @name))) @item.function
(export_statement declaration: (ambient_declaration (lexical_declaration . (variable_declarator name: (identifier) @name)))) @item.const

(method_signature name: (_) @name) @item.method
(abstract_method_signature name: (_) @name) @item.method
