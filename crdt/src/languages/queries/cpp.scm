; C++: functions, methods, classes, namespaces, templates, and what lies between preprocessor conditions.

(comment) @lead

(namespace_definition name: (_) @name body: (_) @body) @item.namespace
(namespace_definition !name body: (_) @body (#set! name "(anonymous)")) @item.namespace

(function_definition declarator: (function_declarator declarator: (_) @name)) @item.fn
(function_definition declarator: (pointer_declarator declarator: (function_declarator declarator: (_) @name))) @item.fn
(function_definition declarator: (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator declarator: (_) @name)))) @item.fn
(function_definition declarator: (reference_declarator (function_declarator declarator: (_) @name))) @item.fn
(function_definition declarator: (operator_cast type: (_) @name)) @item.fn
(function_definition declarator: (qualified_identifier) @name) @item.fn
(struct_specifier name: (_) @name body: (_) @body) @item.struct
(class_specifier name: (_) @name body: (_) @body) @item.class
(union_specifier name: (_) @name body: (_) @body) @item.union
(enum_specifier name: (_) @name body: (_)) @item.enum
(type_definition declarator: (type_identifier) @name) @item.typedef
(alias_declaration name: (_) @name) @item.typedef
(concept_definition name: (_) @name) @item.concept
(preproc_function_def name: (_) @name) @item.macro
(field_declaration type: (struct_specifier name: (_) @name body: (_) @body)) @item.struct
(field_declaration type: (class_specifier name: (_) @name body: (_) @body)) @item.class
(field_declaration type: (enum_specifier name: (_) @name body: (_))) @item.enum
(field_declaration declarator: (function_declarator declarator: (_) @name)) @item.fn
(field_declaration declarator: (pointer_declarator declarator: (function_declarator declarator: (_) @name))) @item.fn
(field_declaration declarator: (reference_declarator (function_declarator declarator: (_) @name))) @item.fn

(template_declaration (function_definition declarator: (function_declarator declarator: (_) @name))) @item.fn
(template_declaration (function_definition declarator: (pointer_declarator declarator: (function_declarator declarator: (_) @name)))) @item.fn
(template_declaration (function_definition declarator: (reference_declarator (function_declarator declarator: (_) @name)))) @item.fn
(template_declaration (class_specifier name: (_) @name body: (_) @body)) @item.class
(template_declaration (struct_specifier name: (_) @name body: (_) @body)) @item.struct
(template_declaration (alias_declaration name: (_) @name)) @item.typedef
(template_declaration (concept_definition name: (_) @name)) @item.concept
(template_declaration (template_declaration (function_definition declarator: (function_declarator declarator: (_) @name)))) @item.fn

(preproc_ifdef) @open
(preproc_if) @open
(preproc_else) @open
(preproc_elif) @open
(preproc_elifdef) @open
(linkage_specification) @open
(declaration_list) @open
