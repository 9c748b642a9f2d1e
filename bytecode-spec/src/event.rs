//! The members of the event object `e`, apart from the event's own fields.
//!
//! In: nothing. Out: [`EventMember`]. Invariant: numbers are append-only.

macro_rules! define_members {
    ($($n:literal $name:ident $text:literal $doc:literal;)*) => {
        /// A member every event object has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum EventMember { $(#[doc = $doc] $name = $n,)* }

        impl EventMember {
            /// Every member in number order.
            pub const ALL: &'static [EventMember] = &[$(EventMember::$name),*];

            /// Returns the member with this number.
            pub const fn from_number(number: u8) -> Option<EventMember> {
                match number { $($n => Some(EventMember::$name),)* _ => None }
            }

            /// Returns the name after the dot.
            pub const fn name(self) -> &'static str {
                match self { $(EventMember::$name => $text,)* }
            }

            /// Returns the one-line documentation.
            pub const fn doc(self) -> &'static str {
                match self { $(EventMember::$name => $doc,)* }
            }

            /// Returns the member with this name.
            pub fn from_name(name: &str) -> Option<EventMember> {
                EventMember::ALL.iter().copied().find(|m| m.name() == name)
            }
        }
    };
}

define_members! {
    0 Name "name" "The event's name.";
    1 ToString "tostring" "Method: the event's text, as the kernel would print it.";
    2 Field "field" "Method: the n-th own field, from 1.";
    3 FieldNum "fieldnum" "The number of own fields.";
    4 ScNr "sc_nr" "The system call number, nil for other events.";
    5 ScIsEnter "sc_is_enter" "True for the entry of a system call.";
    6 ScArg1 "sc_arg1" "The first argument of a system call, nil otherwise.";
    7 ScArg2 "sc_arg2" "The second argument.";
    8 ScArg3 "sc_arg3" "The third argument.";
    9 ScArg4 "sc_arg4" "The fourth argument.";
    10 ScArg5 "sc_arg5" "The fifth argument.";
    11 ScArg6 "sc_arg6" "The sixth argument.";
    12 Retval "retval" "The return value: of a return probe, or of sys_exit; nil otherwise.";
    13 SetRetval "set_retval" "Method: overrides the return value.";
    14 RegStr "regstr" "The registers at the probe as text.";
    15 AllField "allfield" "Name, type, offset, size and sign of every field as text.";
    16 PrintFmt "print_fmt" "The kernel's print format of the event.";
}
