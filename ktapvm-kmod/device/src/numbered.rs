//! Enumerations that travel as numbers.
//!
//! In: variants with their numbers. Out: the enumeration, all of it in a list, and the way back from a number. Invariant: a number that names no variant is none.

/// Defines one: `numbered! { /// doc  pub enum Name: u16 { /// doc  Variant = 0, } }`.
macro_rules! numbered {
    ($(#[$about:meta])* pub enum $name:ident: $number:ident { $($(#[$what:meta])* $variant:ident = $n:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr($number)]
        pub enum $name { $($(#[$what])* $variant = $n,)* }

        impl $name {
            /// Every one, in the order of the numbers.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// Returns the one with this number.
            pub const fn from_number(number: $number) -> Option<$name> {
                Some(match number {
                    $($n => $name::$variant,)*
                    _ => return None,
                })
            }
        }
    };
}
