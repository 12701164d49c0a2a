//! The derive macro of `engine-codec`: a struct whose fields carry version ranges becomes
//! `Default`, `Decode`, `DecodeNullable`, `Encode`, `EncodeNullable`, `IntoOwned`, and, where the
//! struct states its own versions, `Message`.
//!
//! The meaning of the attributes is in the documentation of `engine_codec`. This crate runs in
//! the compiler only; what it writes calls nothing but `engine_codec` and `core`.

#![forbid(unsafe_code)]

mod attributes;
mod field;
mod transparent;
mod versions;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident, Lifetime, Result, parse_macro_input};

use crate::attributes::StructAttributes;
use crate::field::Field;

/// Derives the codec of a message, a record, or a struct nested in one.
#[proc_macro_derive(Codec, attributes(codec))]
pub fn derive_codec(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn derive(input: &DeriveInput) -> Result<TokenStream> {
    if let Data::Struct(data) = &input.data
        && let Fields::Unnamed(fields) = &data.fields
    {
        return transparent::implement(input, fields);
    }
    Struct::new(input).map(|item| item.implement())
}

/// The struct under the derive.
struct Struct {
    name: Ident,
    /// The struct's one lifetime, if it borrows.
    borrow: Option<Lifetime>,
    attributes: StructAttributes,
    fields: Vec<Field>,
}

impl Struct {
    fn new(input: &DeriveInput) -> Result<Self> {
        let fields = match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(named) => {
                    named.named.iter().map(Field::new).collect::<Result<_>>()?
                }
                Fields::Unit => Vec::new(),
                Fields::Unnamed(_) => unreachable!("transparent structs went another way"),
            },
            _ => return Err(Error::new_spanned(input, "a message is a struct")),
        };
        let mut lifetimes = input
            .generics
            .lifetimes()
            .map(|parameter| parameter.lifetime.clone());
        let borrow = lifetimes.next();
        if input.generics.params.len() > usize::from(borrow.is_some()) {
            let text = "a message has at most one lifetime and no type parameters";
            return Err(Error::new_spanned(&input.generics, text));
        }
        let item = Self {
            name: input.ident.clone(),
            borrow,
            attributes: StructAttributes::parse(&input.attrs)?,
            fields,
        };
        item.check_tags()?;
        Ok(item)
    }

    fn check_tags(&self) -> Result<()> {
        let mut tags: Vec<u32> = self
            .fields
            .iter()
            .filter_map(|f| f.attributes.tag)
            .collect();
        tags.sort_unstable();
        if tags.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::new_spanned(
                &self.name,
                "two fields have the same tag",
            ));
        }
        Ok(())
    }

    fn implement(&self) -> TokenStream {
        let default = self.implement_default();
        let decode = self.implement_decode();
        let encode = self.implement_encode();
        let into_owned = self.implement_into_owned();
        let message = self.implement_message();
        let sample = cfg!(feature = "sample").then(|| self.implement_sample());
        quote!(#default #decode #encode #into_owned #message #sample)
    }

    /// `X` or `X<'a>`, and the generics to declare.
    fn with_borrow(&self) -> (TokenStream, TokenStream) {
        let name = &self.name;
        match &self.borrow {
            Some(lifetime) => (quote!(#name<#lifetime>), quote!(<#lifetime>)),
            None => (quote!(#name), quote!()),
        }
    }

    fn implement_default(&self) -> TokenStream {
        let (item, generics) = self.with_borrow();
        let fields = self.fields.iter().map(|field| {
            let name = &field.name;
            let default = field.default();
            quote!(#name: #default,)
        });
        quote! {
            #[automatically_derived]
            impl #generics ::core::default::Default for #item {
                fn default() -> Self {
                    Self { #(#fields)* }
                }
            }
        }
    }

    fn implement_decode(&self) -> TokenStream {
        let (item, _) = self.with_borrow();
        let lifetime = self
            .borrow
            .clone()
            .unwrap_or_else(|| Lifetime::new("'__frame", Span::call_site()));
        let names = self.fields.iter().map(|field| &field.name);
        let ordinary = self.fields.iter().map(|field| field.decode(&lifetime));
        let tagged = self
            .fields
            .iter()
            .filter_map(|field| field.decode_tagged(&lifetime));
        let sizes = self
            .fields
            .iter()
            .filter_map(|field| field.size_min(&lifetime));
        quote! {
            #[automatically_derived]
            impl<#lifetime> ::engine_codec::Decode<#lifetime> for #item {
                fn size_min(__form: ::engine_codec::Form) -> usize {
                    let mut __size = usize::from(__form.flexible);
                    #(#sizes)*
                    __size
                }

                fn decode(
                    __reader: &mut ::engine_codec::Reader<#lifetime>,
                    __form: ::engine_codec::Form,
                ) -> ::core::result::Result<Self, ::engine_codec::DecodeError> {
                    #(#ordinary)*
                    if __form.flexible {
                        __reader.tagged_fields(|__tag, __reader| match __tag {
                            #(#tagged)*
                            _ => ::core::result::Result::Ok(false),
                        })?;
                    }
                    ::core::result::Result::Ok(Self { #(#names),* })
                }
            }

            #[automatically_derived]
            impl<#lifetime> ::engine_codec::DecodeNullable<#lifetime> for #item {
                fn nullable_size_min(_: ::engine_codec::Form) -> usize {
                    1
                }

                fn decode_nullable(
                    __reader: &mut ::engine_codec::Reader<#lifetime>,
                    __form: ::engine_codec::Form,
                    __place: ::engine_codec::Place,
                ) -> ::core::result::Result<
                    ::core::option::Option<Self>,
                    ::engine_codec::DecodeError,
                > {
                    if __reader.struct_is_null(__place)? {
                        return ::core::result::Result::Ok(::core::option::Option::None);
                    }
                    let __value = <Self as ::engine_codec::Decode<#lifetime>>::decode(
                        __reader, __form,
                    )?;
                    ::core::result::Result::Ok(::core::option::Option::Some(__value))
                }
            }
        }
    }

    fn implement_encode(&self) -> TokenStream {
        let (item, generics) = self.with_borrow();
        let ordinary = self.fields.iter().map(Field::encode);
        let mut tagged: Vec<&Field> = self
            .fields
            .iter()
            .filter(|field| field.attributes.tag.is_some())
            .collect();
        tagged.sort_by_key(|field| field.attributes.tag);
        let variables: Vec<Ident> = tagged.iter().filter_map(|f| f.tag_variable()).collect();
        let writes = tagged.iter().filter_map(|field| field.encode_tagged());
        let texts = tagged.iter().map(|field| field.name.to_string());
        quote! {
            #[automatically_derived]
            impl #generics ::engine_codec::Encode for #item {
                fn encode<__S: ::engine_codec::Sink>(
                    &self,
                    __sink: &mut __S,
                    __form: ::engine_codec::Form,
                ) -> ::core::result::Result<(), ::engine_codec::EncodeError> {
                    #(#ordinary)*
                    if __form.flexible {
                        let __count: u32 = 0 #(+ u32::from(#variables))*;
                        ::engine_codec::varint::put_uvarint(__sink, __count);
                        #(#writes)*
                    } else {
                        #(if #variables {
                            return ::core::result::Result::Err(
                                ::engine_codec::EncodeError::FieldNotInVersion {
                                    field: #texts, version: __form.version,
                                },
                            );
                        })*
                    }
                    ::core::result::Result::Ok(())
                }
            }

            #[automatically_derived]
            impl #generics ::engine_codec::EncodeNullable for #item {
                fn encode_nullable<__S: ::engine_codec::Sink>(
                    __value: ::core::option::Option<&Self>,
                    __sink: &mut __S,
                    __form: ::engine_codec::Form,
                    __place: ::engine_codec::Place,
                ) -> ::core::result::Result<(), ::engine_codec::EncodeError> {
                    ::engine_codec::put_struct_is_null(__sink, __value.is_none(), __place);
                    match __value {
                        ::core::option::Option::Some(__value) => {
                            ::engine_codec::Encode::encode(__value, __sink, __form)
                        }
                        ::core::option::Option::None => ::core::result::Result::Ok(()),
                    }
                }
            }
        }
    }

    fn implement_into_owned(&self) -> TokenStream {
        let (item, generics) = self.with_borrow();
        let name = &self.name;
        let owned = if self.borrow.is_some() {
            quote!(#name<'static>)
        } else {
            quote!(Self)
        };
        let names = self.fields.iter().map(|field| &field.name);
        let same = names.clone();
        quote! {
            #[automatically_derived]
            impl #generics ::engine_codec::IntoOwned for #item {
                type Owned = #owned;

                fn into_owned(self) -> Self::Owned {
                    #name { #(#names: ::engine_codec::IntoOwned::into_owned(self.#same)),* }
                }
            }
        }
    }

    fn implement_sample(&self) -> TokenStream {
        let (item, generics) = self.with_borrow();
        let samples = self.fields.iter().map(Field::sample);
        let dumps = self.fields.iter().map(|field| {
            let name = &field.name;
            let text = name.to_string();
            quote!(__dump.field(#text, &self.#name);)
        });
        quote! {
            #[automatically_derived]
            impl #generics ::engine_codec::sample::Sample for #item {
                fn sample(
                    __choices: &mut ::engine_codec::sample::Choices,
                    __form: ::engine_codec::Form,
                ) -> Self {
                    Self { #(#samples)* }
                }

                fn dump(&self, __out: &mut ::std::string::String) {
                    let mut __dump = ::engine_codec::sample::StructDump::new(__out);
                    #(#dumps)*
                    __dump.end();
                }
            }
        }
    }

    fn implement_message(&self) -> Option<TokenStream> {
        let (item, generics) = self.with_borrow();
        let text = self.name.to_string();
        let versions = self.attributes.versions?.constant();
        let flexible = self.attributes.flexible?.constant();
        Some(quote! {
            #[automatically_derived]
            impl #generics ::engine_codec::Message for #item {
                const NAME: &'static str = #text;
                const VERSIONS: ::engine_codec::VersionRange = #versions;
                const FLEXIBLE: ::engine_codec::VersionRange = #flexible;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn refusal(input: DeriveInput) -> String {
        derive(&input)
            .expect_err("a mistake is refused")
            .to_string()
    }

    #[test]
    fn mistakes_are_refused_with_their_reason() {
        let option = refusal(parse_quote!(
            struct X {
                a: Option<Vec<i32>>,
            }
        ));
        assert!(option.contains("exactly when it is 'nullable'"), "{option}");
        let nullable = refusal(parse_quote!(
            struct X {
                #[codec(nullable = "0+")]
                a: Vec<i32>,
            }
        ));
        assert!(
            nullable.contains("exactly when it is 'nullable'"),
            "{nullable}"
        );
        let twice = refusal(parse_quote!(
            struct X {
                #[codec(tag = 0)]
                a: i32,
                #[codec(tag = 0)]
                b: i32,
            }
        ));
        assert!(twice.contains("same tag"), "{twice}");
        let early = refusal(parse_quote!(
            struct X {
                #[codec(tag = 0, tagged = "0-3")]
                a: i32,
            }
        ));
        assert!(early.contains("reaches to the last version"), "{early}");
        let untagged = refusal(parse_quote!(
            struct X {
                #[codec(tagged = "3+")]
                a: i32,
            }
        ));
        assert!(untagged.contains("needs a 'tag'"), "{untagged}");
        let half = refusal(parse_quote!(
            #[codec(versions = "0-3")]
            struct X {
                a: i32,
            }
        ));
        assert!(half.contains("states both"), "{half}");
        let unknown = refusal(parse_quote!(
            struct X {
                #[codec(version = "3+")]
                a: i32,
            }
        ));
        assert!(unknown.contains("a field takes"), "{unknown}");
        let range = refusal(parse_quote!(
            struct X {
                #[codec(versions = "5-3")]
                a: i32,
            }
        ));
        assert!(range.contains("expected versions"), "{range}");
        let generic = refusal(parse_quote!(
            struct X<T> {
                a: T,
            }
        ));
        assert!(generic.contains("no type parameters"), "{generic}");
        let pair = refusal(parse_quote!(
            struct X(i32, i32);
        ));
        assert!(pair.contains("has one field"), "{pair}");
    }

    #[test]
    fn only_a_struct_with_versions_is_a_message() {
        let has_message = |input: DeriveInput| {
            derive(&input)
                .expect("a lawful struct")
                .to_string()
                .contains(":: Message")
        };
        assert!(!has_message(parse_quote!(
            struct X {
                a: i32,
            }
        )));
        assert!(has_message(parse_quote!(
            #[codec(versions = "0", flexible = "none")]
            struct X {
                a: i32,
            }
        )));
    }
}
