; Ruby: modules, classes and methods.

((comment) @stay (#begins? @stay "#!" "# -*-" "# frozen_string_literal" "# encoding"))
(comment) @lead

(module name: (_) @name body: (_)? @body) @item.module
(class name: (_) @name body: (_)? @body) @item.class
(singleton_class value: (_) @name body: (_)? @body (#set! joint " ")) @item.singleton
(method name: (_) @name) @item.def
(singleton_method object: (_) @name name: (_) @name) @item.def
(call method: (_) @_visible arguments: (argument_list . (method name: (_) @name)) (#any-of? @_visible "private" "protected" "public" "private_class_method" "module_function")) @item.def
