; Rust: items, members of impl, trait and mod.

(line_comment inner: (_)) @stay
(block_comment inner: (_)) @stay
[(line_comment) (block_comment) (attribute_item)] @lead

(function_item name: (_) @name) @item.fn
(function_signature_item name: (_) @name) @item.fn
(struct_item name: (_) @name) @item.struct
(enum_item name: (_) @name) @item.enum
(union_item name: (_) @name) @item.union
(const_item name: (_) @name) @item.const
(static_item name: (_) @name) @item.static
(type_item name: (_) @name) @item.type
(associated_type name: (_) @name) @item.type
(macro_definition name: (_) @name) @item.macro
(impl_item trait: (_)? @name type: (_) @name body: (_) @body (#set! joint " for ")) @item.impl
(trait_item name: (_) @name body: (_) @body) @item.trait
(mod_item name: (_) @name body: (_)? @body) @item.mod
(foreign_mod_item) @open
(declaration_list) @open
