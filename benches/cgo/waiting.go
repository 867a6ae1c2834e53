package main

// #include "work.h"
import "C"

import (
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// As on the other side. There the rounds put the ticks further on by a fifth of the grid that tokio's timers stand on;
// Go has no such grid, but both are to be measured alike.
const (
	sleepers   = 64
	sleeperUs  = 50_000
	ticks      = 1000
	tick       = time.Millisecond
	rounds     = 5
	blockers   = 1000
	blockCalls = 10
	blockUs    = 1000
)

// heartbeat measures how late a 1 ms tick comes while 64 calls sleep 50 ms, over and over, on two processors.
func heartbeat() []row {
	runtime.GOMAXPROCS(2)
	p50 := row{name: "cgo_heartbeat_p50_us", unit: "us"}
	p99 := row{name: "cgo_heartbeat_p99_us", unit: "us"}
	most := row{name: "cgo_heartbeat_max_us", unit: "us"}
	born := time.Now()
	for i := 0; i < rounds; i++ {
		var stop atomic.Bool
		var done sync.WaitGroup
		for g := 0; g < sleepers; g++ {
			done.Add(1)
			go func() {
				defer done.Done()
				for !stop.Load() {
					assertEqual(int(C.sleep_us(sleeperUs)), sleeperUs)
				}
			}()
		}
		late := beat(born, tick*time.Duration(i)/rounds)
		stop.Store(true)
		done.Wait()
		sort.Float64s(late)
		p50.samples = append(p50.samples, quantile(late, 0.5))
		p99.samples = append(p99.samples, quantile(late, 0.99))
		most.samples = append(most.samples, late[len(late)-1])
	}
	return []row{p50, p99, most}
}

// beat returns the lateness of every tick in microseconds. Ticks stand on a fixed grid: one that is missed because the
// one before it came late is counted as late too, so that a long stall weighs by its length.
func beat(born time.Time, phase time.Duration) []float64 {
	late := make([]float64, 0, ticks)
	start := born.Add(time.Since(born).Truncate(tick) + 2*tick + phase)
	for i := 0; i < ticks; i++ {
		due := start.Add(time.Duration(i) * tick)
		time.Sleep(time.Until(due))
		late = append(late, microseconds(time.Since(due)))
	}
	return late
}

// block1ms measures 1000 goroutines that call C ten times for 1 ms each, on two processors.
func block1ms() []row {
	runtime.GOMAXPROCS(2)
	var done sync.WaitGroup
	start := time.Now()
	for g := 0; g < blockers; g++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for i := 0; i < blockCalls; i++ {
				assertEqual(int(C.sleep_us(blockUs)), blockUs)
			}
		}()
	}
	done.Wait()
	wall := time.Since(start)
	// Go keeps every thread it has made: the count at the end is the highest.
	return []row{
		{"cgo_block1ms_wall_ms", "ms", []float64{microseconds(wall) / 1e3}},
		{"cgo_block1ms_threads", "threads", []float64{status("Threads:")}},
		{"cgo_block1ms_peak_rss_mib", "MiB", []float64{status("VmHWM:") / 1024}},
	}
}

// status returns a number from /proc/self/status.
func status(field string) float64 {
	text, err := os.ReadFile("/proc/self/status")
	check(err)
	for _, line := range strings.Split(string(text), "\n") {
		if rest, found := strings.CutPrefix(line, field); found {
			n, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			check(err)
			return n
		}
	}
	panic("/proc/self/status has no " + field)
}
