//! One field: its type, its attributes, and the code that each of the derived functions needs.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Error, Expr, ExprLit, Ident, Lifetime, Lit, PathArguments, Result, Type};

use crate::attributes::FieldAttributes;
use crate::versions::Versions;

pub(crate) struct Field {
    pub name: Ident,
    pub attributes: FieldAttributes,
    /// The type as written.
    full_type: Type,
    /// `T` of `Option<T>`, or the type as written.
    value_type: Type,
    optional: bool,
}

impl Field {
    pub(crate) fn new(field: &syn::Field) -> Result<Self> {
        let Some(name) = field.ident.clone() else {
            return Err(Error::new_spanned(field, "fields have names"));
        };
        let attributes = FieldAttributes::parse(&field.attrs)?;
        let inner = option_inner(&field.ty);
        let optional = inner.is_some();
        if optional == attributes.nullable.is_none() {
            let text = "a field is 'Option<..>' exactly when it is 'nullable' in some version";
            return Err(Error::new_spanned(&field.ty, text));
        }
        Ok(Self {
            name,
            attributes,
            full_type: field.ty.clone(),
            value_type: inner.unwrap_or(&field.ty).clone(),
            optional,
        })
    }

    /// The default as an expression of the field's type.
    pub(crate) fn default(&self) -> TokenStream {
        let full_type = &self.full_type;
        let value = match &self.attributes.default {
            Some(Expr::Path(path)) if path.path.is_ident("null") => {
                return quote!(::core::option::Option::None);
            }
            Some(Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            })) => quote!(::std::borrow::Cow::Borrowed(#text)),
            Some(expression) => quote!(#expression),
            None if self.optional => {
                let value_type = &self.value_type;
                quote!(<#value_type as ::core::default::Default>::default())
            }
            None => quote!(<#full_type as ::core::default::Default>::default()),
        };
        if self.optional {
            quote!(::core::option::Option::Some(#value))
        } else {
            value
        }
    }

    /// The versions in which the field stands among the ordinary ones.
    fn ordinary(&self) -> Versions {
        self.attributes.versions.before(self.attributes.tagged)
    }

    fn tagged(&self) -> Versions {
        self.attributes.versions.intersect(self.attributes.tagged)
    }

    /// An expression that reads the field's value from `__reader`.
    fn read(&self, lifetime: &Lifetime, place: &TokenStream) -> TokenStream {
        let value_type = &self.value_type;
        let value = quote! {
            <#value_type as ::engine_codec::Decode<#lifetime>>::decode(__reader, __form)?
        };
        if !self.optional {
            return value;
        }
        let nullable = self.attributes.nullable.contains();
        quote! {
            if #nullable {
                <#value_type as ::engine_codec::DecodeNullable<#lifetime>>::decode_nullable(
                    __reader, __form, #place,
                )?
            } else {
                ::core::option::Option::Some(#value)
            }
        }
    }

    /// `let name = …;` for the ordinary part of decoding.
    pub(crate) fn decode(&self, lifetime: &Lifetime) -> TokenStream {
        let Self {
            name, full_type, ..
        } = self;
        let default = self.default();
        if self.ordinary().is_none() {
            return quote!(let mut #name: #full_type = #default;);
        }
        let read = self.read(lifetime, &quote!(::engine_codec::Place::Ordinary));
        let mutable = self.attributes.tag.map(|_| quote!(mut));
        if self.attributes.versions.is_all() && self.attributes.tag.is_none() {
            return quote!(let #name: #full_type = #read;);
        }
        let is_ordinary = self.ordinary().contains();
        quote!(let #mutable #name: #full_type = if #is_ordinary { #read } else { #default };)
    }

    /// The arm of a tagged field in `match __tag`.
    pub(crate) fn decode_tagged(&self, lifetime: &Lifetime) -> Option<TokenStream> {
        let tag = self.attributes.tag?;
        let name = &self.name;
        let is_tagged = self.tagged().contains();
        let read = self.read(lifetime, &quote!(::engine_codec::Place::Tagged));
        Some(quote! {
            #tag => {
                if !#is_tagged {
                    return ::core::result::Result::Err(
                        ::engine_codec::DecodeError::TagNotInVersion { tag: __tag },
                    );
                }
                #name = #read;
                ::core::result::Result::Ok(true)
            }
        })
    }

    /// A term of the smallest size.
    pub(crate) fn size_min(&self, lifetime: &Lifetime) -> Option<TokenStream> {
        if self.ordinary().is_none() {
            return None;
        }
        let value_type = &self.value_type;
        let size = if self.optional {
            quote! {
                <#value_type as ::engine_codec::DecodeNullable<#lifetime>>::nullable_size_min(__form)
            }
        } else {
            quote!(<#value_type as ::engine_codec::Decode<#lifetime>>::size_min(__form))
        };
        let is_ordinary = self.ordinary().contains();
        Some(quote!(if #is_ordinary { __size += #size; }))
    }

    /// The field's part of encoding before the tagged tail.
    pub(crate) fn encode(&self) -> TokenStream {
        let ordinary = (!self.ordinary().is_none()).then(|| {
            let is_ordinary = self.ordinary().contains();
            let write = self.write();
            quote!(if #is_ordinary { #write })
        });
        let name = &self.name;
        let default = self.default();
        let lost = (!self.attributes.versions.is_all() && !self.attributes.ignorable).then(|| {
            let in_version = self.attributes.versions.contains();
            let text = name.to_string();
            quote! {
                if !#in_version && self.#name != #default {
                    return ::core::result::Result::Err(
                        ::engine_codec::EncodeError::FieldNotInVersion {
                            field: #text, version: __form.version,
                        },
                    );
                }
            }
        });
        let tagged = self.tag_variable().map(|variable| {
            let is_tagged = self.tagged().contains();
            quote!(let #variable = #is_tagged && self.#name != #default;)
        });
        quote!(#ordinary #lost #tagged)
    }

    fn write(&self) -> TokenStream {
        let Self {
            name, value_type, ..
        } = self;
        if !self.optional {
            return quote!(::engine_codec::Encode::encode(&self.#name, __sink, __form)?;);
        }
        let nullable = self.attributes.nullable.contains();
        let text = name.to_string();
        quote! {
            if #nullable {
                <#value_type as ::engine_codec::EncodeNullable>::encode_nullable(
                    self.#name.as_ref(), __sink, __form, ::engine_codec::Place::Ordinary,
                )?;
            } else {
                let __value = self.#name.as_ref()
                    .ok_or(::engine_codec::EncodeError::NullField { field: #text })?;
                ::engine_codec::Encode::encode(__value, __sink, __form)?;
            }
        }
    }

    /// The variable that says whether the tagged field is written.
    pub(crate) fn tag_variable(&self) -> Option<Ident> {
        let tag = self.attributes.tag?;
        Some(format_ident!("__tag_{tag}", span = Span::call_site()))
    }

    /// The field's part of the tagged tail.
    pub(crate) fn encode_tagged(&self) -> Option<TokenStream> {
        let variable = self.tag_variable()?;
        let tag = self.attributes.tag?;
        let name = &self.name;
        let write = if self.optional {
            let nullable = self.attributes.nullable.contains();
            let text = name.to_string();
            quote! {
                if #nullable {
                    ::engine_codec::put_tagged_nullable(__sink, #tag, self.#name.as_ref(), __form)?;
                } else {
                    let __value = self.#name.as_ref()
                        .ok_or(::engine_codec::EncodeError::NullField { field: #text })?;
                    ::engine_codec::put_tagged(__sink, #tag, __value, __form)?;
                }
            }
        } else {
            quote!(::engine_codec::put_tagged(__sink, #tag, &self.#name, __form)?;)
        };
        Some(quote!(if #variable { #write }))
    }
}

/// Random values for tests.
impl Field {
    /// `name: …,` with a value that the version at hand can carry.
    pub(crate) fn sample(&self) -> TokenStream {
        let Self {
            name, value_type, ..
        } = self;
        let value = quote! {
            <#value_type as ::engine_codec::sample::Sample>::sample(__choices, __form)
        };
        let value = if self.optional {
            let nullable = self.attributes.nullable.contains();
            quote! {
                if #nullable && __choices.one_in(4) {
                    ::core::option::Option::None
                } else {
                    ::core::option::Option::Some(#value)
                }
            }
        } else {
            value
        };
        let default = self.default();
        let in_version = self.attributes.versions.contains();
        let present = match self.attributes.tag {
            Some(_) => quote!(#in_version && !__choices.one_in(3)),
            None => in_version,
        };
        quote!(#name: if #present { #value } else { #default },)
    }
}

/// `T` of `Option<T>`.
fn option_inner(full_type: &Type) -> Option<&Type> {
    let Type::Path(path) = full_type else {
        return None;
    };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        syn::GenericArgument::Type(inner) if last.ident == "Option" => Some(inner),
        _ => None,
    }
}
