; C: functions, types, and what lies between preprocessor conditions.

(comment) @lead

(function_definition declarator: (function_declarator declarator: (_) @name)) @item.fn
(function_definition declarator: (pointer_declarator declarator: (function_declarator declarator: (_) @name))) @item.fn
(function_definition declarator: (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator declarator: (_) @name)))) @item.fn
(struct_specifier name: (_) @name body: (_)) @item.struct
(union_specifier name: (_) @name body: (_)) @item.union
(enum_specifier name: (_) @name body: (_)) @item.enum
(type_definition declarator: (type_identifier) @name) @item.typedef
(preproc_function_def name: (_) @name) @item.macro

(preproc_ifdef) @open
(preproc_if) @open
(preproc_else) @open
(preproc_elif) @open
(preproc_elifdef) @open
(linkage_specification) @open
(declaration_list) @open
