package main

import (
	"fmt"
	"sort"
	"time"
)

type row struct {
	name    string
	unit    string
	samples []float64
}

// The line of the table: name, median, unit, min.
func (r row) summary() string {
	sorted := append([]float64(nil), r.samples...)
	sort.Float64s(sorted)
	return fmt.Sprintf("%s %.2f %s %.2f", r.name, quantile(sorted, 0.5), r.unit, sorted[0])
}

// Nearest rank in sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := int(q * float64(len(sorted)))
	return sorted[min(at, len(sorted)-1)]
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// A sample of 5 ms is long beside the clock's own cost, and the median of 15 forgets the scheduler's interruptions.
// Both numbers are guesses, the same on the other side.
const (
	samples      = 15
	sampleLength = 5 * time.Millisecond
)

// perCall measures work(n), which does n times something that holds parts of one kind, in nanoseconds a part.
func perCall(name string, parts int, work func(n int)) row {
	n := 1
	for timed(work, n) < sampleLength {
		n *= 2
	}
	r := row{name: name, unit: "ns"}
	for i := 0; i < samples; i++ {
		r.samples = append(r.samples, float64(timed(work, n).Nanoseconds())/float64(n*parts))
	}
	return r
}

func timed(work func(n int), n int) time.Duration {
	start := time.Now()
	work(n)
	return time.Since(start)
}
