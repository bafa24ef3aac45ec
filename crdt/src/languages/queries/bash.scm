; Bash: functions.

((comment) @stay (#match? @stay "^#!"))
(comment) @lead

(function_definition name: (_) @name) @item.function
