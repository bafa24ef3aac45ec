; JavaScript: functions, classes, methods, and functions that a name is given to.

(comment) @lead

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
(field_definition property: (_) @name value: [(arrow_function) (function_expression)]) @item.method
