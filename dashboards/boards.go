package main

// boards are all there are, in the order of the menu.
func boards() []board {
	return []board{
		overview, frontend, workflows, activities, history, timers, matching, workers, store, postgresBoard, visibility, outbound, chores, usage,
		process, telemetry, sdkWorkers, businessPostgres, businessElastic,
	}
}
