; Python: functions and classes with what decorates them.

((comment) @stay (#begins? @stay "#!" "# -*-"))
(comment) @lead

(function_definition name: (_) @name) @item.def
(class_definition name: (_) @name body: (_) @body) @item.class
(decorated_definition definition: (function_definition name: (_) @name)) @item.def
(decorated_definition definition: (class_definition name: (_) @name body: (_) @body)) @item.class
