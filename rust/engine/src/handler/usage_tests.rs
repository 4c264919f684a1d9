use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Vec<Argument> {
    Usage::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).arguments
}

fn fault(text: &str) -> Fault {
    Usage::parse(text).expect_err(text).fault
}

#[test]
fn a_word_has_name_type_and_place() {
    let arguments = parse("key:key seconds:integer");
    assert_eq!(arguments[0], Argument { key_spec: Some(0), ..Argument::new("key", Kind::Key) });
    assert_eq!(arguments[1], Argument::new("seconds", Kind::Integer));
    let shown = parse("addr/ip:port:string@-2.8.12");
    assert_eq!(
        shown[0],
        Argument {
            shown: Some("ip:port".into()),
            deprecated_since: Some("2.8.12".into()),
            ..Argument::new("addr", Kind::String)
        }
    );
}

#[test]
fn a_fixed_word_binds_what_follows_unless_it_is_named() {
    let bound = parse("[EX seconds:integer@2.6.12]");
    assert_eq!(bound.len(), 1);
    assert_eq!(bound[0].token.as_deref(), Some("EX"));
    assert_eq!((bound[0].name.as_str(), bound[0].optional), ("seconds", true));
    let free = parse("node=NODE id:string equal='=' '~'@1.0 MATCH ANY");
    let tokens: Vec<_> = free.iter().map(|argument| (argument.name.as_str(), argument.token.as_deref())).collect();
    assert_eq!(tokens[..3], [("node", Some("NODE")), ("id", None), ("equal", Some("="))]);
    assert_eq!(tokens[4..], [("match", Some("MATCH")), ("any", Some("ANY"))]);
}

#[test]
fn groups_nest_and_choices_may_go_without_a_name() {
    let arguments =
        parse("[NX | XX | IFEQ old:string] [LIMIT limit:(offset:integer count:integer)] by:(A (B | C)@7.0 | D)");
    assert_eq!(
        (arguments[0].name.as_str(), arguments[0].kind, arguments[0].arguments.len()),
        ("condition", Kind::OneOf, 3)
    );
    assert_eq!((arguments[1].kind, arguments[1].token.as_deref()), (Kind::Block, Some("LIMIT")));
    let inner = &arguments[2].arguments[0];
    assert_eq!((inner.token.as_deref(), inner.kind, inner.since.as_deref()), (Some("A"), Kind::OneOf, Some("7.0")));
}

#[test]
fn repetition_with_and_without_the_fixed_word() {
    let arguments =
        parse("key:key [BY by/pattern:pattern#1] [GET get:pattern#1]... [STORE to:key] [WEIGHTS weight:integer...]");
    assert_eq!(
        arguments.iter().map(|argument| argument.key_spec).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(1), Some(2), None]
    );
    assert!(arguments[2].multiple && arguments[2].multiple_token && arguments[2].optional);
    assert!(arguments[4].multiple && !arguments[4].multiple_token);
}

#[test]
fn counts_the_fewest_words() {
    for (text, words, fixed) in [
        ("", 0, true),
        ("key:key value:string", 2, true),
        ("key:key value:string [NX | XX]", 2, false),
        ("where:(BEFORE | AFTER) pivot:string", 2, true),
        ("numkeys:integer key:key... [AGGREGATE aggregate:(SUM | MIN)]", 2, false),
        ("data:(key:key value:string)...", 2, false),
        ("filter:(old:string | new:([ID id:integer...] | [TYPE t:string])...)", 1, false),
        ("STREAMS streams:(key:key... id:string...)", 3, false),
        (
            "by:(BYRADIUS circle:(radius:double unit:(M | KM)) | BYBOX box:(width:double height:double unit:(M | KM)))",
            3,
            false,
        ),
    ] {
        let usage = Usage::parse(text).unwrap();
        assert_eq!((usage.min_words(), usage.is_fixed()), (words, fixed), "{text}");
    }
}

#[test]
fn every_fault_is_named() {
    for (text, expected) in [
        ("key:key)", Fault::Unexpected),
        ("key:key | value:string", Fault::Unexpected),
        ("key:key@1.0#2", Fault::Unexpected),
        (":string", Fault::Unexpected),
        ("key:key!", Fault::Unexpected),
        ("[key:key", Fault::Unclosed),
        ("x:(A | B]", Fault::Unclosed),
        ("'A", Fault::Unclosed),
        ("key:bytes", Fault::UnknownType),
        ("key", Fault::NotAToken),
        ("x:(A)", Fault::TooFewMembers),
        ("x:()", Fault::TooFewMembers),
        ("(a:string b:string)", Fault::NoName),
        ("[a:string b:string]", Fault::NoName),
        ("[]", Fault::NoName),
        ("[[A]]", Fault::NoName),
        ("x:(A | b:string c:string)", Fault::LongAlternative),
        ("x:(A | )", Fault::LongAlternative),
        ("[a:string]...", Fault::RepeatsNoToken),
        ("A@", Fault::BadNote),
        ("key:key#", Fault::BadNote),
        ("key:key#256", Fault::BadNote),
    ] {
        assert_eq!(fault(text), expected, "{text}");
    }
    assert_eq!(fault(&"[".repeat(100_000)), Fault::TooDeep);
    assert_eq!(Usage::parse("key:key )").unwrap_err(), UsageError { fault: Fault::Unexpected, at: 8 });
}

proptest! {
    /// Any text ends in a tree or in an error with a place inside the text.
    #[test]
    fn any_text_is_answered(text in "([a-zA-Z:|@#.=' /0-9é\\[\\]()]|\\.\\.\\.|key:key| [A-Z]+ ){0,24}") {
        if let Err(error) = Usage::parse(&text) {
            prop_assert!(error.at <= text.len());
        }
    }
}
