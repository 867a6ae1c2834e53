package main

// #include "work.h"
import "C"

import (
	"runtime"
	"slices"
	"time"
)

// A call lasts long enough that Go's monitor, which scans every 10 ms at its slowest, retakes within it. The numbers
// of samples are what the time allows: a quiet one takes over a second.
const (
	longUs       = 50_000
	idle         = time.Second
	quietSamples = 20
	busySamples  = 100
	busyLength   = 50 * time.Millisecond
)

// retakeQuiet measures the first call after a second in which nothing ran.
func retakeQuiet() []row {
	runtime.GOMAXPROCS(1)
	return retakes("cgo_retake_quiet", quietSamples, func(int) { time.Sleep(idle) })
}

// retakeBusy measures a long call that comes after 50 ms and a bit of short ones. The bit differs, so that the samples
// do not walk in step with the monitor. A goroutine that yields after 128 calls is what tokio's budget makes of a task.
func retakeBusy() []row {
	runtime.GOMAXPROCS(1)
	return retakes("cgo_retake_busy", busySamples, func(i int) {
		length := busyLength + time.Duration(i*7919%10_000)*time.Microsecond
		for start := time.Now(); time.Since(start) < length; {
			calls(128)
			runtime.Gosched()
		}
	})
}

// retakes measures, on one processor, from entering C to the first goroutine that the replacement runs.
func retakes(name string, samples int, before func(i int)) []row {
	var waits []float64
	for i := 0; len(waits) < samples; i++ {
		if i == 2*samples {
			panic("the waiting goroutine keeps running before C is entered")
		}
		before(i)
		ran := make(chan time.Time, 1)
		go func() { ran <- time.Now() }()
		entered := time.Now()
		assertEqual(int(C.sleep_us(longUs)), longUs)
		// Go may have preempted us before C was entered; such a sample says nothing.
		if at := <-ran; at.After(entered) {
			waits = append(waits, microseconds(at.Sub(entered)))
		}
	}
	return []row{
		{name + "_p50_us", "us", waits},
		{name + "_max_us", "us", []float64{slices.Max(waits)}},
	}
}
