"""Small widgets every page is built of; their looks stand in resources/themes/quarry.qss by role."""
