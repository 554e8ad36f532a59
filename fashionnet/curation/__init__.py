"""From a scraped pile to clean data: what is wrong with photos and labels, and who decides."""
