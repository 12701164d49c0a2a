//! A struct with one unnamed field: that field's codec under the struct's name.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, FieldsUnnamed, Result};

pub(crate) fn implement(input: &DeriveInput, fields: &FieldsUnnamed) -> Result<TokenStream> {
    let (Some(field), 1, true) = (
        fields.unnamed.first(),
        fields.unnamed.len(),
        input.generics.params.is_empty(),
    ) else {
        let text = "a struct without field names has one field and no parameters";
        return Err(Error::new_spanned(input, text));
    };
    let name = &input.ident;
    let inner = &field.ty;
    let sample = cfg!(feature = "sample").then(|| {
        quote! {
            #[automatically_derived]
            impl ::engine_codec::sample::Sample for #name {
                fn sample(
                    __choices: &mut ::engine_codec::sample::Choices,
                    __form: ::engine_codec::Form,
                ) -> Self {
                    Self(<#inner as ::engine_codec::sample::Sample>::sample(__choices, __form))
                }

                fn dump(&self, __out: &mut ::std::string::String) {
                    ::engine_codec::sample::Sample::dump(&self.0, __out);
                }
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl<'__frame> ::engine_codec::Decode<'__frame> for #name {
            fn size_min(__form: ::engine_codec::Form) -> usize {
                <#inner as ::engine_codec::Decode<'__frame>>::size_min(__form)
            }

            fn decode(
                __reader: &mut ::engine_codec::Reader<'__frame>,
                __form: ::engine_codec::Form,
            ) -> ::core::result::Result<Self, ::engine_codec::DecodeError> {
                <#inner as ::engine_codec::Decode<'__frame>>::decode(__reader, __form).map(Self)
            }
        }

        #[automatically_derived]
        impl ::engine_codec::Encode for #name {
            fn encode<__S: ::engine_codec::Sink>(
                &self,
                __sink: &mut __S,
                __form: ::engine_codec::Form,
            ) -> ::core::result::Result<(), ::engine_codec::EncodeError> {
                ::engine_codec::Encode::encode(&self.0, __sink, __form)
            }
        }

        #[automatically_derived]
        impl ::engine_codec::IntoOwned for #name {
            type Owned = Self;

            fn into_owned(self) -> Self {
                self
            }
        }

        #sample
    })
}
