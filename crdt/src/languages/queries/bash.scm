; Bash: functions.

((comment) @stay (#begins? @stay "#!"))
(comment) @lead

(function_definition name: (_) @name) @item.function
