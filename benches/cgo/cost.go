package main

// #include "work.h"
import "C"

import "runtime"

// As on the other side.
const (
	callbacksPerCall = 1000
	depth            = 8
)

//export goIncrement
func goIncrement(arg C.int) C.int { return arg + 1 }

//export goNest
func goNest(level C.int) C.int {
	if level == 1 {
		return 1
	}
	return 1 + C.nest(level-1)
}

// cost measures what a crossing takes when nothing waits.
func cost() []row {
	runtime.GOMAXPROCS(2)
	return []row{
		perCall("cgo_call", 1, calls),
		perCall("cgo_callback_ready", callbacksPerCall, func(n int) {
			for i := 0; i < n; i++ {
				assertEqual(int(C.call_n(callbacksPerCall)), callbacksPerCall*(callbacksPerCall+1)/2)
			}
		}),
		perCall("cgo_call_plus_callback", 1, func(n int) {
			sum := C.int(0)
			for i := 0; i < n; i++ {
				sum = C.call_once(sum)
			}
			assertEqual(int(sum), n)
		}),
		// A thread of C's calls back; that it is made is in the figure, shared by all of its callbacks.
		perCall("cgo_callback_foreign", 1, func(n int) {
			assertEqual(int(C.foreign_n(C.int(n))), n*(n+1)/2)
		}),
		perCall("cgo_nested_per_level", depth, func(n int) {
			for i := 0; i < n; i++ {
				assertEqual(int(C.nest(depth)), depth)
			}
		}),
	}
}

// calls makes n short calls.
func calls(n int) {
	sum := C.int(0)
	for i := 0; i < n; i++ {
		sum = C.empty(sum)
	}
	assertEqual(int(sum), n)
}
