// Package spec holds programs and maps as plain data: what was written in a file or built by hand, before
// anything has judged it. Every input (assembler text, object files, JSON, filter expressions) produces
// these types and skep.Load consumes them, so they are the narrow place between the languages that programs
// are written in and the engines that run them.
//
// A value of these types is inert and may be wrong in any way: nothing here is checked until it is loaded.
package spec
